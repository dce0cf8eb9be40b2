"""Errors that the commands print without a traceback, and their exit status."""

import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager


class InputError(ValueError):
    """An invalid file, option or value from outside. The message says what, why and what to do."""


class UnhealthyError(RuntimeError):
    """A failed check, of a loss term or an export. The message says which."""


class NonFiniteError(ArithmeticError):
    """A NaN or infinite loss term. The message names the term, the epoch and the step."""


class StoppedError(RuntimeError):
    """A run stopped in good order, its state saved. The message is whole; `status`: exit status."""

    def __init__(self, why: str, status: int):
        super().__init__(why)
        self.status = status


class ElsewhereError(StoppedError):
    """An end of a run that another of its processes reports."""


class LostOutputError(Exception):
    """Loss of standard output. The message says why; it is empty where nobody reads on."""


class LostRankError(RuntimeError):
    """Loss of another process that trains the same run."""


def advice_to_readers(text: str, known: Collection[str]) -> str:
    """A message in the options of a command that reads a run, and cannot change its options.

    known: the names of its own options. Options in what stands of other commands, from `gan-sntg` on, stay.
    """
    text = re.sub(r",? or add --data\.\w+ true", "", text).replace("--data.root", "--root")
    parts = re.split(r"(gan-sntg [^;\n]*)", text)
    parts[::2] = [re.sub(r"(?<!\S)--([\w.]+)(?!\S*-)", lambda m: m[0] if m[1] in known else m[1], part) for part in parts[::2]]
    return "".join(parts)


def first_line(error: Exception) -> str:
    """The kind of an error and the beginning of its message."""
    return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:120]}"


@contextmanager
def refusing(what: str, remedy: str) -> Iterator[None]:
    """Turn any error within, as of parsers of foreign bytes, into an InputError that says what to do."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        raise InputError(f"{what} ({reason}); {remedy}") from error
