"""Damaged files of every kind that is read: refused by name or read right, no traceback, no hang.

python scripts/robustness/fuzz.py [--cases 2000] [--seed 0] -> results/fuzz.json, .md    minutes on one core (Linux, needs .[test])
"""

import contextlib
import io
import multiprocessing
import os
import resource
import shutil
import signal
import sys
import tempfile
import traceback
from multiprocessing.connection import Connection
from pathlib import Path

import torch
from fuzz_subjects import Subject, data_files, export_files, run_files
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded
from rich.progress import track
from torch import Tensor

from gan_sntg.errors import InputError
from gan_sntg.experiments.scripts import machine, run_script, write_results
from gan_sntg.files.array_files import tensor_sha256
from gan_sntg.files.yaml_files import configs_folder

SECONDS, MEGABYTES = 20, 1024  # of a case: of processor time until it is a hang, and of address space beyond that of the process before
REFUSED, SAME, OTHER = "refused", "accepted, same meaning", "accepted, other contents"
FAILURES = WRONG, TRACEBACK, NAMELESS, HANG, DIED = "accepted against its hash", "traceback", "refused without its name", "hang", "died"
LEGEND = f"""
`refused`: an error that names the file, or for a configuration the option. `same meaning`: all that is read of the file is as before.
`other contents`: a file that nothing guards, whose damage makes another right one, such as a pixel or a learning rate; none has a checksum.
The last five are failures, of which one makes the script exit with 1. A case is a hang after {SECONDS} s of processor time, and one that
takes more than {MEGABYTES:,} MB of address space ends in a traceback. "Sealed again" are files whose checksum or hash was made right after
the damage.
"""
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]  # is as it should be here
Trial = tuple[str, str]  # outcome, and what was said


def meaning(value) -> str:
    """Text of a value in which each tensor stands as its hash."""
    if isinstance(value, Tensor):
        return tensor_sha256(value)
    if isinstance(value, dict):
        return repr({key: meaning(branch) for key, branch in value.items()})
    return repr([meaning(branch) for branch in value]) if isinstance(value, list | tuple) else repr(value)


def read(subject: Subject) -> str:
    """Meaning of the file as it is now."""
    shutil.rmtree("out", ignore_errors=True)
    return meaning(subject.read())


def judged(subject: Subject, whole: str) -> Trial:
    """Outcome of reading the file as it is now, where `whole` is what it meant."""
    try:
        same = read(subject) == whole
    except InputError as error:
        return REFUSED if any(name in str(error) for name in subject.named or [subject.path.name]) else NAMELESS, str(error)
    except Exception:
        return TRACEBACK, traceback.format_exc()
    return SAME if same else WRONG if subject.hashed else OTHER, ""


def answer(subject: Subject, whole: str, answers: Connection) -> None:
    """Send the outcome from a process of its own, which this silences and bounds."""
    sys.stdout = sys.stderr = io.StringIO()
    most = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize() + MEGABYTES * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS + 1))  # SIGXCPU, then SIGKILL
    answers.send(judged(subject, whole))


def trial(subject: Subject, data: bytes, whole: str, seconds: float = 30 * SECONDS) -> Trial:
    """Outcome of these bytes in place of the file, read in a fork of this process within so many seconds."""
    subject.path.write_bytes(data)
    fork = multiprocessing.get_context("fork")
    here, there = fork.Pipe()
    process = fork.Process(target=answer, args=(subject, whole, there))
    process.start()
    there.close()
    try:
        return here.recv() if here.poll(seconds) else (HANG, subject.kind)
    except EOFError:
        process.join()
        return HANG if process.exitcode == -signal.SIGXCPU else DIED, subject.kind
    finally:
        process.kill()
        process.join()


def trials(subject: Subject, count: int, seed: int) -> list[Trial]:
    """Outcomes of `count` damaged files, the same for the same seed."""
    found, data, whole = [], subject.path.read_bytes(), read(subject)

    @seeded(seed)
    @settings(max_examples=count, phases=[Phase.generate], database=None, deadline=None, suppress_health_check=SLOW)
    @given(subject.damage(data).filter(lambda damaged: damaged != data))
    def case(damaged: bytes) -> None:
        found.append(trial(subject, damaged, whole))

    case()
    subject.path.write_bytes(data)
    return found


def main(cases: int = 2000, seed: int = 0) -> None:
    """Try so many cases in all, print and write both files; status 1 where one failed."""
    torch.set_num_threads(1)
    found = {}
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        os.environ["GAN_SNTG_CACHE"] = f"{folder}/cache"
        subjects = [*run_files(configs_folder()), *export_files(), *data_files()]
        for subject in track(subjects, "files", disable=not sys.stderr.isatty()):
            found.setdefault(subject.kind, []).extend(trials(subject, -(-cases // len(subjects)), seed))
    found["all"] = [one for own in found.values() for one in own]
    names = (REFUSED, SAME, OTHER, *FAILURES)
    rows = {kind: {"cases": len(own)} | {name: sum(one == name for one, _ in own) for name in names} for kind, own in found.items()}
    table = [["damaged", *rows["all"]], ["---"] * (len(names) + 2), *([kind, *row.values()] for kind, row in rows.items())]
    text = "".join(f"| {' | '.join(map(str, cells))} |\n" for cells in table) + LEGEND.rstrip()
    failed = [f"{outcome}: {said}" for outcome, said in found["all"] if outcome in FAILURES]
    print(*failed, sep="\n")
    write_results(
        "fuzz", {"command": f"python scripts/robustness/fuzz.py --cases {cases} --seed {seed}"} | machine() | {"kinds": rows}, text
    )
    sys.exit(bool(failed))


if __name__ == "__main__":
    run_script(main)
