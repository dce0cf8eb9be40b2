"""Records of sample quality, with all that makes two of them comparable."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from gan_sntg.configurable import instance
from gan_sntg.errors import InputError, refusing
from gan_sntg.files.atomic import write_atomically
from gan_sntg.files.json_files import read_json

FILE = "fidelity.json"  # in a run folder


@dataclass(frozen=True)
class Score:
    """A figure and its interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Measurement:
    """Scores by name, how they were measured, which must agree to be compared, and of whose images.

    provenance: of texts and numbers, by field. generator: epoch, step and hash of the weights, which differ from run to run.
    """

    provenance: dict[str, str | int | float]
    generator: dict[str, str | int]
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
    """The newest measurement of each run that was made in a way of all; runs without any are left out.

    Raises InputError with the fields that differ where the measured runs share no way.
    """
    measured = {run: list(reversed(own)) for run, own in found.items() if own}
    if not measured:
        return {}
    (first, own), *rest = measured.items()
    for candidate in own:
        same = {run: [m for m in others if m.provenance == candidate.provenance] for run, others in rest}
        if all(same.values()):
            return {first: candidate} | {run: matches[0] for run, matches in same.items()}
    run, others = next((run, ms) for run, ms in rest if all(m.provenance != own[0].provenance for m in ms))
    nearest = min((differences(own[0].provenance, m.provenance) for m in others), key=len)
    raise InputError(
        f"the fidelity of {first} and of {run} was not measured in one way, so that the figures cannot stand side by side "
        f"({'; '.join(nearest)}); measure both again with the same options of gan-sntg evaluate --fidelity"
    )
