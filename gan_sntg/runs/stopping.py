"""Stop signals, time limits, the times between checkpoints, and how long a run will take."""

import signal
import threading
import time
from collections.abc import Callable

import torch

from gan_sntg.distributed.process_group import largest
from gan_sntg.errors import StoppedError
from gan_sntg.training.loop import Progress

SIGNALS = signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP, signal.SIGXCPU
LATER = 75  # exit status of a run stopped in good order, to be resumed
RESUME = "checkpoint saved. Run the same command to resume."
SAFETY = 2.0  # times the longest pause so far, before the minutes are over
FIRST = 3  # steps that also allocate, compile and record, by which no others are judged
ENOUGH = 10.0  # seconds of steps, by which they are


class Forecast:
    """The time that a run takes, said once, by its first steps; not where it ends before."""

    def __init__(self, progress: Progress, device: torch.device, say: Callable[[float], None]):
        """progress: of the run; say: is given the seconds of a step, with the evaluations that fell between."""
        self.progress, self.device, self.say, self.said = progress, device, say, False
        self.start, self.began = progress.step + FIRST, None

    def tick(self) -> None:
        """Begin to time, or say what was found, where a step or a pause ended that makes it time to."""
        done, now = self.progress.step - self.start, time.monotonic()
        if self.said or done < 0 or self.began is not None and (not done or now - self.began < ENOUGH):
            return
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)  # steps that were only asked for are not over
        now = time.monotonic()
        if self.began is None:
            self.start, self.began = self.progress.step, now
        else:
            self.said = True
            self.say((now - self.began) / done)


class StopSignals:
    """Context that notes a first signal; a second SIGINT interrupts. Only in the main thread."""

    def __init__(self, max_minutes: float | None = None, checkpoint_minutes: float | None = None):
        """max_minutes: of the whole command; checkpoint_minutes: most between checkpoints. None: no limit."""
        self.began = self.saved = self.last = time.monotonic()
        self.minutes = max_minutes
        self.end = None if max_minutes is None else self.began + 60 * max_minutes
        self.every = None if checkpoint_minutes is None else 60 * checkpoint_minutes
        self.longest, self.signal, self.over, self.must_save = 0.0, None, False, False
        self.forecast: Forecast | None = None

    def __enter__(self) -> "StopSignals":
        numbers = SIGNALS if threading.current_thread() is threading.main_thread() else ()
        heeded = [number for number in numbers if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN]  # as by nohup
        self.before = {number: signal.signal(number, self.note) for number in heeded}
        self.last = time.monotonic()
        return self

    def __exit__(self, *_) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def note(self, number: int, _frame) -> None:
        """Note a signal."""
        if self.signal is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.signal = self.signal or number

    def tick(self) -> None:
        """Time the step or pause (evaluating, saving) that ended, and decide what there is time for."""
        now = time.monotonic()
        self.longest, self.last = max(self.longest, now - self.last), now
        self.over = self.end is not None and self.last + SAFETY * self.longest >= self.end
        self.must_save = self.every is not None and self.last - self.saved >= self.every
        if self.forecast:
            self.forecast.tick()

    def has_saved(self) -> None:
        """Note that a checkpoint was written, and time the pause."""
        self.saved = time.monotonic()
        self.tick()

    def stop(self) -> StoppedError | None:
        """The error to raise once all is saved; None to go on.

        Of several ranks, what one is to do, save or stop, all do at the same step: one small message, by way of the CPU.
        """
        number, over, self.must_save = largest([self.signal or 0, int(self.over), int(self.must_save)])
        if number:
            return StoppedError(f"{signal.Signals(number).name} received; {RESUME}", 130 if number == signal.SIGINT else LATER)
        if over:
            return StoppedError(f"Time limit of {self.minutes:g} min reached; {RESUME}", LATER)
        return None
