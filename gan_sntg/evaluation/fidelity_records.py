"""Records of sample quality, with all that makes two of them comparable."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from gan_sntg.errors import InputError, refusing
from gan_sntg.files.atomic import write_atomically
from gan_sntg.files.json_files import read_json
from gan_sntg.files.yaml_files import instance

FILE = "fidelity.json"  # in a run folder


@dataclass(frozen=True)
class Score:
    """A figure and its interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Measurement:
    """Scores by name, how they were measured, and of whose images."""

    provenance: dict[str, str | int | float]  # must agree to be compared
    generator: dict[str, str | int]  # epoch, step and hash of the weights
    scores: dict[str, Score]


def measurements(run: Path) -> list[Measurement]:
    """The measurements of a run, oldest first; [] without a file. Raises InputError where it is damaged."""
    path = run / FILE
    if not path.exists():
        return []
    with refusing(f"{path} is damaged", "delete it and measure again with gan-sntg evaluate --fidelity"):
        return [instance(Measurement, entry) for entry in read_json(path)]


def record(run: Path, new: Measurement) -> None:
    """Add a measurement to the run's file, in the place of one that was measured the same way."""
    kept = [m for m in measurements(run) if m.provenance != new.provenance]
    entries = [asdict(m) for m in [*kept, new]]
    write_atomically(run / FILE, (json.dumps(entries, indent=1, allow_nan=False) + "\n").encode())


def differences(a: dict, b: dict) -> list[str]:
    """The fields in which two provenances differ, as texts `field: its value in a, its value in b`."""
    return [f"{k}: {a.get(k, 'absent')}, {b.get(k, 'absent')}" for k in sorted({*a, *b}) if a.get(k) != b.get(k)]


def comparable(found: dict[str, list[Measurement]]) -> dict[str, Measurement]:
    """Each measured run's newest in a way of all. Raises InputError with the fields that differ."""
    measured = {run: own for run, own in found.items() if own}
    if not measured:
        return {}
    first, own = next(iter(measured.items()))
    for way in [m.provenance for m in reversed(own)]:
        same = {run: m for run, others in measured.items() for m in others if m.provenance == way}  # of each its last
        if len(same) == len(measured):
            return same
    way = own[-1].provenance
    run, others = next((run, others) for run, others in measured.items() if all(m.provenance != way for m in others))
    nearest = "; ".join(min((differences(way, m.provenance) for m in reversed(others)), key=len))
    what = f"the fidelity of {first} and of {run} was not measured in one way, and cannot stand side by side ({nearest})"
    raise InputError(f"{what}; measure both again with the same options of gan-sntg evaluate --fidelity")
