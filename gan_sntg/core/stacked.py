"""How are several runs trained as one? Their parameters stacked as [S, ...], the terms of all by one vmap, each run's draws its own."""

import copy
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.func import functional_call

from gan_sntg.core.data.streams import Batch, Streams, View
from gan_sntg.core.dealing import Dealing
from gan_sntg.core.engine import Method
from gan_sntg.core.meter import Terms


class StackedStreams:
    """The batches of S streams that are read abreast, each tensor [S, B, ...]."""

    def __init__(self, streams: list[Streams]):
        """streams: of the same sizes; each goes on as if it were read alone."""
        self.streams, self.steps_per_epoch, self.pool = streams, streams[0].steps_per_epoch, streams[0].pool

    def epoch(self) -> Iterator[Batch]:
        """The batches of one epoch."""
        for batches in zip(*(s.epoch() for s in self.streams), strict=True):
            yield Batch(*(view and View(*map(torch.stack, zip(view, *views, strict=True))) for view, *views in zip(*batches, strict=True)))


class Function(nn.Module):
    """A bound function of a method as the forward of a module, for `functional_call`."""

    def __init__(self, method: Method, name: str):
        """name: of the function."""
        super().__init__()
        self.method, self.function = method, getattr(method, name)

    def forward(self, *arguments) -> Terms:
        """What the function returns."""
        return self.function(*arguments)


def stacked(methods: list[Method], names: tuple[str, ...]) -> Method:
    """A method that stands for S of one configuration, at one step: its step is a step of each, its terms are [S].

    What it holds is copied from them, [S, ...], but for the generators, which stay theirs. `names`: its functions of a batch whose
    terms are descended. All else that its step does must be elementwise in parameters and buffers, as optimizers and averages are.
    """
    first = methods[0]
    method = copy.deepcopy(first, {id(g): g for g in first.generators.values()})
    states = [m.state_dict() for m in methods]
    for name, tensor in method.state_dict(keep_vars=True).items():
        tensor.data = torch.stack([state[name] for state in states])
    for name, optimizer in method.optimizers.items():
        optimizer.load_state_dict(joined([m.optimizers[name].state_dict() for m in methods]))
    for name in names:
        setattr(method, name, of_each(Function(method, name), [m.generators for m in methods]))
    return method


def of_each(function: Function, generators: list[dict[str, torch.Generator]]) -> Callable[..., Terms]:
    """The function of S runs at once: (batch of [S, B, ...], what all share) -> terms [S]. The gradient of their sum is each run's own."""

    def terms(batch: Batch, *shared) -> Terms:
        def one(state: dict[str, Tensor], batch: Batch, seat: Tensor) -> Terms:
            with Dealing(seat, generators):
                return functional_call(function, state, (batch, *shared))

        state = dict(function.named_parameters()) | dict(function.named_buffers())
        return torch.vmap(one)(state, batch, torch.arange(len(generators), device=batch.unlabeled.x.device))

    return terms


def joined(states: list[dict]) -> dict:
    """The state of S optimizers as that of one: tensors stacked, numbers, which are the same in all, from the first."""
    first = states[0]["state"]

    def values(p: int, key: str, value):
        return torch.stack([s["state"][p][key] for s in states]) if isinstance(value, Tensor) else value

    return states[0] | {"state": {p: {k: values(p, k, v) for k, v in entry.items()} for p, entry in first.items()}}


def unstack(method: Method, methods: list[Method]) -> None:
    """Write each run's part of a stacked method into its own of `methods`."""
    with_all = method.state_dict()
    for s, own in enumerate(methods):
        own.load_state_dict({name: tensor[s] for name, tensor in with_all.items()})
        own.settings = method.settings
        for name, optimizer in own.optimizers.items():
            optimizer.load_state_dict(part(method.optimizers[name].state_dict(), s))


def part(state: dict, s: int) -> dict:
    """That of run s of a stacked optimizer's state, in memory of its own."""
    entries = state["state"].items()
    return state | {"state": {p: {k: v[s].clone() if isinstance(v, Tensor) else v for k, v in entry.items()} for p, entry in entries}}
