"""Is every damaged file refused by its name, or read right? No traceback, no hang, and time and memory within bounds?

python scripts/robustness/fuzz.py [--cases N] [--seed S] -> results/fuzz.json, .md a few minutes on one core (Linux;
  pip install -e '.[test]')

Tiny files of every kind that is read are damaged: by flipped bits, lost, zeroed, swapped, repeated and inserted blocks, huge numbers in
headers, and changed branches of their trees; "sealed again" are those whose checksum or hash was made right again afterwards.
"""

import contextlib
import os
import platform
import sys
import tempfile
from collections import Counter
from importlib.metadata import version
from pathlib import Path

import torch
from fuzzing import data_files, run_files
from fuzzing.subjects import Subject
from fuzzing.trials import FAILURES, MEGABYTES, OTHER, REFUSED, SAME, SECONDS, Reader, Trial
from rich.progress import track

from gan_sntg.experiments.scripts import run_script, write_results

COLUMNS = (REFUSED, SAME, OTHER)
LEGEND = f"""
`refused`: an error that names the file, or for a configuration the option. `same meaning`: all that is read of the file is as before.
`other contents`: a file that nothing guards, whose damage makes another right one, such as a pixel or a learning rate; none has a checksum.
The last five are failures, of which one makes the script exit with 1. A case is a hang after {SECONDS} s, and has {MEGABYTES:,} MB of
address space. "Sealed again" are files whose checksum or hash was made right after the damage.
"""


def subjects_in(folder: Path) -> list[Subject]:
    """Every kind of file, whole, in this folder."""
    for name in "published", "arrays", "pictures", "runs":
        (folder / name).mkdir()
    run, other = run_files.trained(folder / "runs")
    return [
        *run_files.checkpoints(run),
        run_files.manifest(run),
        *[run_files.config(run.parent / f"{name}.yaml", run.parent / "short") for name in ("config", "supervised")],
        *run_files.page_files(run, other),
        *run_files.export_files(run / "export"),
        *data_files.published_sets(folder / "published"),
        *data_files.arrays(folder / "arrays"),
        *data_files.pictures(folder / "pictures"),
    ]


def trials(subjects: list[Subject], count: int, seed: int, keep: Path | None = None) -> dict[str, list[Trial]]:
    """Of each kind, those of `count` cases in all. keep: a folder for the files of cases that failed."""
    reader, found = Reader(subjects), {subject.kind: [] for subject in subjects}
    each = -(-count // len(subjects))
    for index, subject in enumerate(track(subjects, "files", disable=not sys.stderr.isatty())):
        for number, data in enumerate(subject.cases(each, seed)):
            found[subject.kind].append(trial := reader.trial(index, data))
            if keep and trial.outcome in FAILURES:
                (keep / f"{index}-{number}-{subject.path.name}").write_bytes(data)
                (keep / f"{index}-{number}.txt").write_text(f"{subject.kind}: {trial.outcome}\n{trial.said}")
        subject.path.write_bytes(subject.whole)
    reader.stop()
    return found


def summary(own: list[Trial]) -> dict:
    """Of one kind."""
    counts = Counter(trial.outcome for trial in own)
    worst = {"seconds": max(trial.seconds for trial in own), "megabytes": max(trial.megabytes for trial in own)}
    return {"cases": len(own)} | {name: counts[name] for name in (*COLUMNS, *FAILURES)} | {k: round(v, 3) for k, v in worst.items()}


def markdown(kinds: dict[str, dict]) -> str:
    """A line a kind, and their sum."""
    every = {name: sum(kind[name] for kind in kinds.values()) for name in ("cases", *COLUMNS, *FAILURES)}
    every |= {name: max(kind[name] for kind in kinds.values()) for name in ("seconds", "megabytes")}
    lines = [f"| damaged | cases | {' | '.join([*COLUMNS, *FAILURES])} | most s | most MB |", "| --- |" + " --- |" * (len(every))]
    for name, kind in {**kinds, "all": every}.items():
        counts = [str(kind[column]) for column in ("cases", *COLUMNS, *FAILURES)]
        lines.append(f"| {name} | {' | '.join(counts)} | {kind['seconds']:.2f} | {kind['megabytes']:.0f} |")
    return "\n".join(lines) + "\n" + LEGEND


def main(cases: int = 4000, seed: int = 0, keep: Path | None = None) -> None:
    """Try all cases, print and write both files; status 1 where one failed. keep: folder for the files of cases that fail."""
    torch.set_num_threads(1)
    if keep:
        keep.mkdir(parents=True, exist_ok=True)
    keep = keep and keep.resolve()
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):  # paths that stand in files are the same each time
        os.environ["GAN_SNTG_CACHE"] = f"{folder}/cache"
        found = trials(subjects_in(Path()), cases, seed, keep)
    kinds = {name: summary(own) for name, own in found.items()}
    bounds = {"a hang after seconds": SECONDS, "megabytes of address space": MEGABYTES}
    out = {"command": f"python scripts/robustness/fuzz.py --cases {cases} --seed {seed}", "bounds of a case": bounds}
    out |= {"machine": f"{platform.machine()}, one core, no GPU"} | {
        name: version(name) for name in ("torch", "numpy", "pillow", "hypothesis")
    }
    write_results("fuzz", out | {"kinds": kinds}, markdown(kinds).rstrip("\n"))
    sys.exit(any(kind[name] for kind in kinds.values() for name in FAILURES))


if __name__ == "__main__":
    run_script(main)
