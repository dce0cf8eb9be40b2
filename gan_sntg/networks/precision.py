"""Precision of training: float32, or bfloat16 products with everything else in float32."""

from contextlib import AbstractContextManager
from enum import Enum

import torch
from torch import Tensor


class Precision(Enum):
    """Precision of products in training; weights, optimizers, losses and evaluation stay float32."""

    float32 = "float32"
    bfloat16 = "bfloat16"

    def __call__(self, device: torch.device | str) -> AbstractContextManager:
        """The context to train in: autocast on the device, off for float32."""
        # without a cache, or G's pass through D, after D's update, would take D's casts of before
        return torch.autocast(torch.device(device).type, torch.bfloat16, enabled=self is Precision.bfloat16, cache_enabled=False)


def exactly(device: torch.device | str) -> AbstractContextManager:
    """A context without autocast, for what rounding would spoil (VAT's power iteration)."""
    return torch.autocast(torch.device(device).type, enabled=False)


def at_least_float32(x: Tensor) -> Tensor:
    """x, as float32 where its type is shorter: on a CPU autocast leaves norms in bfloat16."""
    return x.to(torch.promote_types(x.dtype, torch.float32))
