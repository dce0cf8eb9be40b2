"""When does a run stop before its end, or save between intervals? At a signal, when its minutes are over, every so many minutes."""

import signal
import threading
import time

from gan_sntg.core.errors import StoppedError

SIGNALS = signal.SIGINT, signal.SIGTERM, signal.SIGUSR1
LATER = 75  # the exit status that says: in good order, and the same command goes on
SAFETY = 2.0  # times the longest pause so far, before the minutes are over


class Watch:
    """Within it, a first signal is only noted; a second SIGINT interrupts as ever. Elsewhere than in the main thread none is."""

    def __init__(self, max_minutes: float | None = None, checkpoint_minutes: float | None = None):
        """max_minutes: from now to the end of the command; checkpoint_minutes: between two checkpoints, at the most. None: no limit."""
        self.began = self.saved = self.last = time.monotonic()
        self.end = None if max_minutes is None else self.began + 60 * max_minutes
        self.every = None if checkpoint_minutes is None else 60 * checkpoint_minutes
        self.longest, self.signal = 0.0, None

    def __enter__(self) -> "Watch":
        """Take the signals."""
        self.before = {}
        if threading.current_thread() is threading.main_thread():
            self.before = {number: signal.signal(number, self.note) for number in SIGNALS}
        self.last = time.monotonic()
        return self

    def __exit__(self, *_) -> None:
        """Give them back."""
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def note(self, number: int, _frame) -> None:
        """A signal came."""
        if self.signal is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.signal = self.signal or number

    def tick(self) -> None:
        """After each step and each pause (evaluating, saving): how long it was since the last."""
        now = time.monotonic()
        self.longest, self.last = max(self.longest, now - self.last), now

    def has_saved(self) -> None:
        """A checkpoint was written."""
        self.saved = time.monotonic()

    @property
    def must_save(self) -> bool:
        """Whether the last checkpoint is too old."""
        return self.every is not None and self.last - self.saved >= self.every

    def stop(self) -> StoppedError | None:
        """What to raise, once all is saved; None to go on."""
        if self.signal is not None:
            status = 130 if self.signal == signal.SIGINT else LATER
            return StoppedError(f"{signal.Signals(self.signal).name} came", status)
        if self.end is not None and self.last + SAFETY * self.longest >= self.end:
            return StoppedError(f"its {(self.end - self.began) / 60:g} minutes are over", LATER)
        return None
