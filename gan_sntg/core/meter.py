"""What were the loss terms on average, and were all of them finite?"""

import torch
from torch import Tensor

from gan_sntg.core.errors import NonFiniteError

Terms = dict[str, Tensor]


class Meter:
    """Means of terms over an interval, kept on the device; the first non-finite step of each is remembered and raised on reading."""

    def __init__(self):
        """Empty."""
        self.sums: dict[tuple[str, ...], tuple[Tensor, Tensor, int]] = {}

    def add(self, terms: Terms, step: int) -> None:
        """Count the terms of one step, without a synchronisation."""
        names = tuple(terms)
        values = torch.stack([terms[name].float() for name in names])
        sums, first, count = self.sums.get(names) or (torch.zeros_like(values), torch.full_like(values, -1, dtype=torch.int64), 0)
        self.sums[names] = sums + values, torch.where((first < 0) & ~values.isfinite(), step, first), count + 1

    def read(self, steps_per_epoch: int) -> dict[str, float]:
        """The means, and start anew. Raises NonFiniteError with the first bad term, its epoch and step (both from 0)."""
        sums, self.sums = self.sums, {}
        firsts = [pair for names, (_, first, _) in sums.items() for pair in zip(first.tolist(), names, strict=True)]
        bad = [(step, name) for step, name in firsts if step >= 0]
        if bad:
            step, name = min(bad)
            raise NonFiniteError(
                f"the term {name} is not finite since epoch {step // steps_per_epoch}, step {step}; the last checkpoint is from "
                "before. Lower the learning rate or this term's weight"
            )
        totals: dict[str, tuple[float, int]] = {}
        for names, (total, _, count) in sums.items():
            for name, value in zip(names, total.tolist(), strict=True):
                before, steps = totals.get(name, (0.0, 0))
                totals[name] = before + value, steps + count
        return {name: value / steps for name, (value, steps) in totals.items()}


class Meters(Meter):
    """Those of S runs abreast, whose terms are [S] each."""

    def __init__(self, runs: list[str]):
        """runs: what errors call them."""
        super().__init__()
        self.runs = runs

    def read(self, steps_per_epoch: int) -> list[dict[str, float]]:
        """As the meter of each run alone. The NonFiniteError names the run, too."""
        sums, self.sums = self.sums, {}
        return [self.read_one(sums, s, steps_per_epoch) for s in range(len(self.runs))]

    def read_one(self, sums: dict[tuple[str, ...], tuple[Tensor, Tensor, int]], s: int, steps_per_epoch: int) -> dict[str, float]:
        """Of run s."""
        meter = Meter()
        meter.sums = {names: (total[:, s], first[:, s], count) for names, (total, first, count) in sums.items()}
        try:
            return meter.read(steps_per_epoch)
        except NonFiniteError as error:
            raise NonFiniteError(f"{self.runs[s]}: {error}") from error
