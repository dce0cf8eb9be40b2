"""Several seeds trained as one program: stacked parameters, one vmap, each run's own draws."""

import copy
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_map, tree_map_only

from gan_sntg.data.loader import Batch, Examples, Loader, Pool
from gan_sntg.data.normalization import Normalization
from gan_sntg.files.mapped import indexed
from gan_sntg.training.meter import Terms
from gan_sntg.training.method import Method


class Rows(torch.autograd.Function):
    """Within vmap over S runs, `draw(generator)` of each run's own generator, as rows [S, ...]."""

    @staticmethod
    def forward(seat: Tensor, draw: Callable[[torch.Generator], Tensor], own: list[torch.Generator]) -> Tensor:
        """Outside vmap there are no runs to tell apart."""
        raise RuntimeError("runs draw abreast within torch.vmap only")

    @staticmethod
    def setup_context(ctx, inputs: tuple, output: Tensor) -> None:
        """Numbers that are drawn have no gradient."""

    @staticmethod
    def vmap(info, in_dims: tuple, seat: Tensor, draw: Callable[[torch.Generator], Tensor], own: list[torch.Generator]):
        """seat: any tensor with a row for each run."""
        return torch.stack([draw(generator) for generator in own]), 0


class PerRunGenerators(TorchFunctionMode):
    """Within it and vmap, draws from a generator of the first run become each run's own.

    Holds for every function of torch that takes `generator=`, and for tensors that are contiguous in a run alone.
    """

    def __init__(self, seat: Tensor, runs: list[dict[str, torch.Generator]]):
        """seat: the scalar that vmap makes of [S]; runs: generators by purpose, of each run."""
        super().__init__()
        self.seat = seat
        self.own = {generator: [run[purpose] for run in runs] for purpose, generator in runs[0].items()}

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        own = self.own.get(kwargs["generator"]) if "generator" in kwargs else None
        if own is None:
            return func(*args, **kwargs)
        if not (args and isinstance(args[0], Tensor)):
            return Rows.apply(self.seat, lambda generator: func(*args, **kwargs | {"generator": generator}), own)
        filled, *rest = args  # such as x.normal_(generator=...)

        def fill(generator: torch.Generator) -> Tensor:
            row = torch.empty(filled.shape, dtype=filled.dtype, device=filled.device)
            return func(row, *rest, **kwargs | {"generator": generator})

        return filled.copy_(Rows.apply(self.seat, fill, own))


class StackedStreams:
    """The batches of S streams that are read abreast, each tensor [S, B, ...]."""

    def __init__(self, streams: list[Loader]):
        """streams: of the same sizes, each read as if alone; images that all share are read once."""
        self.streams, self.steps_per_epoch, self.pool = streams, streams[0].steps_per_epoch, streams[0].pool
        self.y = torch.stack([s.pool.y for s in streams]) if all(alike(self.pool, s.pool) for s in streams) else None

    def epoch(self, done: int = 0) -> Iterator[Batch]:
        """The batches of one epoch; those that are left where `done` of them were drawn before."""
        for _ in range(self.steps_per_epoch - done):
            yield Batch(**{name: self.view([s.streams[name].next() for s in self.streams]) for name in self.streams[0].streams})

    def view(self, indices: list[Tensor]) -> Examples:
        """The examples at S indices [B]."""
        if self.y is None:
            views = [s.pool.view(index) for s, index in zip(self.streams, indices, strict=True)]
            return Examples(*map(torch.stack, zip(*views, strict=True)))
        index = torch.stack(indices)
        return Examples(self.pool.normalize(indexed(self.pool.kept, index)), self.y.gather(1, index), index)


def alike(pool: Pool, other: Pool) -> bool:
    """Whether both hold the same images and normalise them alike, number by number."""
    a, b = pool.normalize, other.normalize
    plain = type(a) is type(b) and type(a).fit is Normalization.fit and vars(a) == vars(b)
    return pool is other or (plain and torch.equal(pool.x, other.x))


def stacked(methods: list[Method]) -> Method:
    """A method that stands for S of one configuration: its step is a step of each, its terms [S].

    What it holds is copied from them, [S, ...], but for the generators, which stay theirs. All that its step does besides its losses
    must be elementwise in parameters and buffers, as optimizers and averages are.
    """

    def joined(value, *others):
        return torch.stack([value, *others]) if isinstance(value, Tensor) else value

    method = copy.deepcopy(methods[0], {id(g): g for g in methods[0].generators.values()})
    states = [m.state_dict() for m in methods]
    for name, tensor in method.state_dict(keep_vars=True).items():
        tensor.data = torch.stack([state[name] for state in states])
    for name, optimizer in method.optimizers.items():
        optimizer.load_state_dict(tree_map(joined, *(m.optimizers[name].state_dict() for m in methods)))
    sets = [m.generators for m in methods]
    object.__setattr__(method, "generator_sets", sets)
    for _, terms in method.losses.values():
        setattr(method, terms.__name__, of_each(method, terms, sets))
    return method


def of_each(method: Method, loss: Callable[..., Terms], generators: list[dict[str, torch.Generator]]) -> Callable[..., Terms]:
    """A method's loss for S runs at once: (batch of [S, B, ...], shared arguments) -> terms [S]."""
    module = nn.Module()  # whose forward it is, for `functional_call`
    module.method, module.forward = method, loss

    def terms(batch: Batch, *shared) -> Terms:
        def one(state: dict[str, Tensor], batch: Batch, seat: Tensor) -> Terms:
            with PerRunGenerators(seat, generators):
                return functional_call(module, state, (batch, *shared))

        state = dict(module.named_parameters()) | dict(module.named_buffers())
        return torch.vmap(one)(state, batch, torch.arange(len(generators), device=batch.view("unlabeled").x.device))

    return terms


def unstack(method: Method, methods: list[Method]) -> None:
    """Write each run's part of a stacked method into its own of `methods`."""
    with_all = method.state_dict()
    for s, own in enumerate(methods):
        own.load_state_dict({name: tensor[s] for name, tensor in with_all.items()})
        own.settings = method.settings
        for name, optimizer in own.optimizers.items():
            state = method.optimizers[name].state_dict()
            optimizer.load_state_dict(tree_map_only(Tensor, lambda t, s=s: t[s].clone(), state))
