"""Errors that the commands print without a traceback, and their exit status."""


class InputError(ValueError):
    """A file, option or value from outside that cannot be used. The message says what, why and what to do."""


class UnhealthyError(RuntimeError):
    """A check failed: a loss term is dead or moves what it must not, an export is not its run. The message says which."""


class NonFiniteError(ArithmeticError):
    """A loss term became NaN or infinite. The message names the term, the epoch and the step."""


class StoppedError(RuntimeError):
    """A run was stopped in good order, its state saved: the message says why, `status` what the command exits with."""

    def __init__(self, why: str, status: int):
        """status: an exit status."""
        super().__init__(why)
        self.status = status


class ElsewhereError(RuntimeError):
    """Of several processes that train one run, another says what went wrong, or why it stopped. `status`: what this one exits with."""

    def __init__(self, status: int):
        """status: an exit status."""
        super().__init__("another rank says why")
        self.status = status


class LostRankError(RuntimeError):
    """Of several processes that train one run, another is gone."""


def first_line(error: Exception) -> str:
    """The kind of an error and the beginning of its message."""
    return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:120]}"
