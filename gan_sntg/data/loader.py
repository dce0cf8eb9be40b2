"""Batches of labelled and unlabelled examples on the device, in an order that a checkpoint holds."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import member
from typing import NamedTuple

import torch
from torch import Tensor

from gan_sntg.configurable import Choice
from gan_sntg.data.normalization import Normalization
from gan_sntg.distributed import own_rows
from gan_sntg.errors import InputError
from gan_sntg.files.mapped import indexed, on_disk, taken
from gan_sntg.pictures.pixels import BYTES
from gan_sntg.rng import purpose_generator
from gan_sntg.sampling.read_ahead import Drawn, ReadAhead
from gan_sntg.sampling.samplers import ClassBalancedSampler, IndexSampler

UNLABELED = -1


class Examples(NamedTuple):
    """x [B, C, H, W] or [B, 2], y [B] with UNLABELED where hidden, index [B] into the training set."""

    x: Tensor
    y: Tensor
    index: Tensor


class Batch(NamedTuple):
    """Examples of one step; None for a view that the method does not ask for.

    `unlabeled` is drawn from all of the pool, the one stream of Pi and TempEns; `unlabeled_g`, for the generator's step, independently.
    """

    labeled: Examples | None = None
    unlabeled: Examples | None = None
    unlabeled_g: Examples | None = None

    def view(self, name: str) -> Examples:
        """The view of this name, which the method asked for."""
        found = getattr(self, name)
        assert found is not None, f"the method asks for no {name} images"
        return found


class Pool:
    """Training images on the device; labels as known to training, `y`, and all, `truth`; else UNLABELED."""

    def __init__(self, x: Tensor, truth: Tensor, y: Tensor, unlabeled: Tensor, normalize: Callable[[Tensor], Tensor], device):
        """x [N, C, H, W] or float32 [N, 2]; unlabeled: indices [U], of the labelled images too."""
        self.pixels = normalize.pixels if isinstance(normalize, Normalization) else BYTES
        self.truth, self.y = truth.to(device), y.to(device)
        self.device = self.y.device
        self.x = self.keep(x)
        found = normalize.prepare(x) if isinstance(normalize, Normalization) else x
        self.kept = self.x if found is x else found.to(device)  # what batches are made of
        self.labeled, self.unlabeled = (y != UNLABELED).nonzero().squeeze(1).to(device), unlabeled.to(device)
        self.normalize = normalize

    def __deepcopy__(self, memo) -> "Pool":
        """A copy of a method shares the images, which never change."""
        return self

    def keep(self, x: Tensor) -> Tensor:
        """Images where this pool has its own."""
        return x.to(self.device)

    def images(self, index: Tensor) -> Tensor:
        """Images at `index` as they are, on the device."""
        return indexed(self.x, index)

    def rows(self, index: Tensor) -> Tensor:
        """What batches are made of, at `index`, on the device."""
        return indexed(self.kept, index)

    def subset(self, index: list[int]) -> Tensor:
        """What batches are made of, at many indices."""
        return indexed(self.kept, index)

    def view(self, index: Tensor, revealed: bool = False) -> Examples:
        """Examples at `index`; `revealed`, for telemetry: y are the labels hidden from training alone."""
        y = self.y[index]
        return self.examples(self.rows(index), self.truth[index].where(y == UNLABELED, UNLABELED) if revealed else y, index)

    def examples(self, rows: Tensor, y: Tensor, index: Tensor) -> Examples:
        """Examples of rows that are read."""
        return Examples(self.normalize(rows), y, index)

    @contextmanager
    def reading(self, streams: dict[str, IndexSampler], steps: int) -> Iterator[Callable[[dict[str, Tensor]], Drawn]]:
        """Within it, a function that reads the next of so many batches: indices by stream -> their rows."""
        yield lambda drawn: {name: (index, self.rows(index)) for name, index in drawn.items()}


class MappedPool(Pool):
    """A pool whose images stay on the host, in a mapped file; batches are read ahead by a thread.

    What a normalization makes of images, as features, is smaller, and is on the device as ever.
    """

    subsets: tuple[list[int], Tensor] | None = None

    def keep(self, x: Tensor) -> Tensor:
        """Images in a mapped file."""
        return on_disk(x)

    def images(self, index: Tensor) -> Tensor:
        """As of a `Pool`, read from the file."""
        return self.x[index.cpu()].to(self.device)

    def rows(self, index: Tensor) -> Tensor:
        """As of a `Pool`, read from the file unless they are features."""
        return self.images(index) if self.kept is self.x else self.kept[index]

    def subset(self, index: list[int]) -> Tensor:
        """As of a `Pool`, in a file, which is made once."""
        if self.kept is not self.x:
            return indexed(self.kept, index)
        if self.subsets is None or self.subsets[0] != index:
            self.subsets = index, taken(self.kept, torch.tensor(index))
        return self.subsets[1]

    @contextmanager
    def reading(self, streams: dict[str, IndexSampler], steps: int) -> Iterator[Callable[[dict[str, Tensor]], Drawn]]:
        """As of a `Pool`; what is read is read ahead."""
        if self.kept is self.x:
            with ReadAhead(streams, steps, self.x.__getitem__, self.device) as ahead:
                yield ahead.next
        else:
            with super().reading(streams, steps) as read:
                yield read


def shuffled(pool: Pool, batch_size: int, seed: int) -> IndexSampler:
    """Permutations of the labelled images, each as often as another."""
    return IndexSampler(pool.labeled, batch_size, purpose_generator(seed, "order/labeled", pool.device), drop_last=False)


def class_balanced(pool: Pool, batch_size: int, seed: int) -> IndexSampler:
    """Each class as often as another, by the labels that training knows."""
    return ClassBalancedSampler(pool.labeled, pool.y[pool.labeled], batch_size, purpose_generator(seed, "order/labeled"))


class LabeledSampling(Choice):
    """Batches of labelled images: of a pool, a batch's size and a seed."""

    shuffled = member(shuffled)
    class_balanced = member(class_balanced)


class Loader:
    """Batches of labelled images, repeated as needed, and of two independent permutations of the pool.

    An epoch is `steps_per_epoch` batches, by default one pass over the pool. Sizes, order and state are those of whole batches, of
    which each of several ranks reads its rows.
    """

    def __init__(
        self,
        pool: Pool,
        batch_size: int,
        seed: int,
        steps_per_epoch: int | None = None,
        labeled_batch_size: int | None = None,
        views: tuple[str, ...] = Batch._fields,
        labeled_sampling: LabeledSampling = LabeledSampling.shuffled,
    ):
        """batch_size: of each view but "labeled", if that has its own. Raises InputError for a smaller pool.

        labeled_sampling: other than `shuffled` for views with "labeled" alone. Raises InputError for others.
        """
        n = len(pool.unlabeled)
        if not 1 <= batch_size <= n:
            raise InputError(f"a batch of {batch_size} cannot be drawn from {n} unlabelled images; choose batch_size in 1..{n}")
        if steps_per_epoch is not None and steps_per_epoch < 1:
            raise InputError(f"steps_per_epoch is {steps_per_epoch}; give at least 1, or leave it out for one pass over the pool")
        if labeled_sampling is not LabeledSampling.shuffled and "labeled" not in views:
            raise InputError(
                f"labeled_sampling is {labeled_sampling.name}, but this method draws no labelled batches: its one stream is of all images; "
                "give --method.stream two, or leave labeled_sampling out"
            )
        self.pool, self.batch_size, self.seed = pool, batch_size, seed
        self.steps_per_epoch = steps_per_epoch or n // batch_size

        self.streams: dict[str, IndexSampler] = {}
        for name in (field for field in Batch._fields if field in views):
            if name == "labeled":
                self.streams[name] = labeled_sampling(pool, labeled_batch_size or batch_size, seed)
            else:
                order = purpose_generator(seed, f"order/{name}", pool.device)
                self.streams[name] = IndexSampler(pool.unlabeled, batch_size, order, drop_last=True)

    def epoch(self, done: int = 0) -> Iterator[Batch]:
        """Batches of one epoch, or those that are left where `done` were drawn before."""
        pool, steps = self.pool, self.steps_per_epoch - done
        with pool.reading(self.streams, steps) as read:
            for _ in range(steps):
                drawn = read({name: own_rows(stream.next()) for name, stream in self.streams.items()})
                yield Batch(**{name: pool.examples(rows, pool.y[index], index) for name, (index, rows) in drawn.items()})

    def example(self, size: int, purpose: str, revealed: bool = False) -> Batch:
        """Batch of at most `size`, fixed for the purpose, that moves no stream."""
        generator = purpose_generator(self.seed, purpose, self.pool.device)

        def draw(index: Tensor) -> Examples:
            order = torch.randperm(len(index), generator=generator, device=index.device)
            return self.pool.view(index[order[:size]], revealed)

        return Batch(draw(self.pool.labeled), draw(self.pool.unlabeled), draw(self.pool.unlabeled))

    def state_dict(self) -> dict:
        """State of each stream."""
        return {name: stream.state_dict() for name, stream in self.streams.items()}

    def load_state_dict(self, state: dict, step: int = 0) -> None:
        """Go on where `state` was taken, at `step`."""
        for name, stream in self.streams.items():
            stream.load_state_dict(state[name], step)
