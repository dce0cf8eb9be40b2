"""Exponential moving averages of weights, de-biased or zero-start."""

# pyright: reportPrivateImportUsage=false

import copy

import torch
from torch import nn

from gan_sntg.errors import InputError


class Average(nn.Module):
    """De-biased average a_n = sum_i d^(n-i) p_i / sum_i d^(n-i) of trainable p; all else is copied."""

    def __init__(self, net: nn.Module, decay: float):
        """net: copied as the shape of the average; decay: d in [0, 1), else InputError."""
        super().__init__()
        if not 0 <= decay < 1:
            raise InputError(f"average_decay (or decay of an averaged teacher) is {decay}; give a number from 0 up to, not including, 1")
        self.net = copy.deepcopy(net).requires_grad_(False).eval()
        self.decay = decay
        self.register_buffer("updates", torch.zeros((), dtype=torch.int64))
        self.count = 0  # the same number, which no step reads from the device
        self.register_load_state_dict_post_hook(lambda average, _: setattr(average, "count", int(average.updates)))

    def train(self, mode: bool = True) -> "Average":
        """Averaged weights are only ever evaluated: the network stays in evaluation mode."""
        return super().train(False)

    @torch.no_grad()
    def update(self, net: nn.Module) -> None:
        """Fold the present weights of `net` in, once a training step."""
        self.count += 1
        self.updates += 1
        pairs = list(zip(self.net.parameters(), net.parameters(), strict=True))
        trained = [(a, p) for a, p in pairs if p.requires_grad]
        weight = (1 - self.decay) / (1 - self.decay**self.count)
        torch._foreach_lerp_([a for a, _ in trained], [p.detach() for _, p in trained], weight)
        copied = [(a, p) for a, p in pairs if not p.requires_grad] + list(zip(self.net.buffers(), net.buffers(), strict=True))
        if copied:
            torch._foreach_copy_([a for a, _ in copied], [p for _, p in copied])

    @torch.no_grad()
    def zero_start(self, net: nn.Module) -> nn.Module:
        """A copy with a_n (1 - d^n), which the Improved GAN's code tests; `net` says what is trained."""
        biased = copy.deepcopy(self.net)
        for a, p in zip(biased.parameters(), net.parameters(), strict=True):
            if p.requires_grad:
                a.mul_(1 - self.decay**self.count)
        return biased
