"""Mean loss terms over an interval, and the first step at which one was not finite."""

import torch
from torch import Tensor

from gan_sntg.errors import NonFiniteError

Terms = dict[str, Tensor]


class Meter:
    """Means of terms over an interval, on the device, and the first step at which each was not finite."""

    def __init__(self):
        self.whose = ""  # what an error says before all else, where there are meters of several runs
        self.sums: dict[tuple[str, ...], tuple[Tensor, Tensor, int]] = {}

    def add(self, terms: Terms, step: int) -> None:
        """Count the terms of one step, without a synchronisation."""
        names = tuple(terms)
        values = torch.stack([terms[name].float() for name in names])
        sums, first, count = self.sums.get(names) or (torch.zeros_like(values), torch.full_like(values, -1, dtype=torch.int64), 0)
        self.sums[names] = sums + values, torch.where((first < 0) & ~values.isfinite(), step, first), count + 1

    def state_dict(self) -> list[dict]:
        """What was counted so far."""
        return [{"names": list(names), "sums": s, "first": f, "count": n} for names, (s, f, n) in self.sums.items()]

    def load_state_dict(self, state: list[dict]) -> None:
        """Go on counting there. Raises ValueError unless it is such a state."""
        self.sums = {}
        for entry in state:
            names, sums, first, count = entry["names"], entry["sums"], entry["first"], entry["count"]
            if not (sums.shape == first.shape == (len(names),) and type(count) is int and count > 0):
                raise ValueError("the means of terms are not one a term")
            self.sums[tuple(names)] = sums, first, count

    def check(self, steps_per_epoch: int) -> None:
        """Raise NonFiniteError with the first bad term, its epoch and step (both from 0)."""
        firsts = [pair for names, (_, first, _) in self.sums.items() for pair in zip(first.tolist(), names, strict=True)]
        bad = [(step, name) for step, name in firsts if step >= 0]
        if bad:
            step, name = min(bad)
            raise NonFiniteError(
                f"{self.whose}the term {name} is not finite since epoch {step // steps_per_epoch}, step {step}; the last checkpoint is "
                "from before. Lower the learning rate or this term's weight"
            )

    def read(self) -> dict[str, float]:
        """The means, and start anew."""
        totals: dict[str, tuple[float, int]] = {}
        for names, (total, _, count) in self.sums.items():
            for name, value in zip(names, total.tolist(), strict=True):
                before, steps = totals.get(name, (0.0, 0))
                totals[name] = before + value, steps + count
        self.sums = {}
        return {name: value / steps for name, (value, steps) in totals.items()}


class Meters(Meter):
    """The meters of S runs abreast as one, whose terms are [S] each."""

    def __init__(self, runs: list[Meter]):
        """runs: those of each, all of the same step; they stay as they are until the next check."""
        super().__init__()
        self.runs = runs
        for names, (_, _, count) in runs[0].sums.items():
            sums, firsts, _ = zip(*(meter.sums[names] for meter in runs), strict=True)
            self.sums[names] = torch.stack(sums, 1), torch.stack(firsts, 1), count

    def check(self, steps_per_epoch: int) -> None:
        """Give each run's meter its part, and check it."""
        for s, meter in enumerate(self.runs):
            meter.sums = {names: (total[:, s], first[:, s], count) for names, (total, first, count) in self.sums.items()}
            meter.check(steps_per_epoch)
