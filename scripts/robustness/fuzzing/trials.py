"""What becomes of a damaged file? It is read in a process of its own, with so much time and memory and no more."""

import contextlib
import io
import resource
import time
import traceback
import warnings
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

from fuzzing.subjects import Subject, digest
from gan_sntg.errors import InputError, NonFiniteError, UnhealthyError

SECONDS, MEGABYTES = 20, 2048  # of a case: until it is a hang, and of address space beyond what the process has before it
REFUSED, SAME, OTHER = "refused", "accepted, same meaning", "accepted, other contents"
WRONG, TRACEBACK, NAMELESS, HANG, DIED = "accepted against its hash", "traceback", "refused without its name", "hang", "died"
FAILURES = (WRONG, TRACEBACK, NAMELESS, HANG, DIED)


class Trial(NamedTuple):
    """Of one case: what it ended in, how long it took, by how many MB it raised the peak of memory, and what was said."""

    outcome: str
    seconds: float
    megabytes: float
    said: str


def resident(what: str) -> float:
    """VmRSS, VmHWM (its peak) or VmSize of this process in MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(what)) / 1024


def tried(subject: Subject, data: bytes) -> Trial:
    """Read these bytes in the place of the subject's."""
    subject.path.write_bytes(data)
    Path("/proc/self/clear_refs").write_text("5")  # the peak is what is resident now
    before, start = resident("VmRSS"), time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        outcome, said = judged(subject)
    return Trial(outcome, time.perf_counter() - start, resident("VmHWM") - before, said)


def judged(subject: Subject) -> tuple[str, str]:
    """The outcome, and what was said."""
    try:
        same = digest(subject.read()) == subject.meaning
    except InputError as error:
        return REFUSED if any(name in str(error) for name in subject.named) else NAMELESS, str(error)
    except (NonFiniteError, UnhealthyError) as error:  # what training says of its own
        return OTHER, str(error)
    except Exception:
        return TRACEBACK, traceback.format_exc()
    return SAME if same else WRONG if subject.hashed else OTHER, ""


def serve(subjects: list[Subject], questions: Connection) -> None:
    """In the process: one trial for each (index, bytes) that comes in."""
    most = int((resident("VmSize") + MEGABYTES) * 2**20)
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    while True:
        index, data = questions.recv()
        questions.send(tried(subjects[index], data))


class Reader:
    """A process that tries cases, and is replaced where it hangs or dies."""

    def __init__(self, subjects: list[Subject], seconds: float = SECONDS):
        """seconds: after which a case is a hang."""
        self.subjects, self.seconds = subjects, seconds
        self.start()

    def start(self) -> None:
        """A fork, which has the subjects as they are here."""
        context = get_context("fork")
        self.here, there = context.Pipe()
        self.process = context.Process(target=serve, args=(self.subjects, there), daemon=True)
        self.process.start()
        there.close()

    def trial(self, index: int, data: bytes) -> Trial:
        """Of the subject with this index."""
        self.here.send((index, data))
        try:
            if self.here.poll(self.seconds):
                return self.here.recv()
            outcome = HANG
        except (EOFError, ConnectionResetError):
            outcome = DIED
        self.stop()
        said = f"exit status {self.process.exitcode}"
        self.start()
        return Trial(outcome, self.seconds, 0.0, said)

    def stop(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.join()
        self.here.close()
