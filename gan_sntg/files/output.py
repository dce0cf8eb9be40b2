"""Standard output and error of a command, whose readers may go away while it works."""

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO

from gan_sntg.errors import LostOutputError

READER_GONE = errno.EPIPE, errno.EIO  # a closed pipe, a closed terminal


class Output:
    """A text stream that no character of a path or of a table can end."""

    def __init__(self, stream: TextIO):
        self.stream = stream

    def __getattr__(self, name: str) -> Any:
        """All else is the stream's own."""
        return getattr(self.stream, name)

    def write(self, text: str) -> int:
        """Write text; what the stream's encoding lacks, as the bytes of a path where it is one, else escaped."""
        try:
            return self.tried(self.stream.write, text)
        except UnicodeEncodeError:
            with suppress(UnicodeEncodeError, AttributeError):
                data = text.encode(self.stream.encoding, "surrogateescape")
                self.tried(self.stream.flush)
                self.tried(self.stream.buffer.write, data)
                return len(text)
            return self.tried(self.stream.write, text.encode("ascii", "backslashreplace").decode())

    def flush(self) -> None:
        """Flush the stream."""
        self.tried(self.stream.flush)

    def tried(self, work: Any, *arguments: Any) -> Any:
        """What work returns, unless the stream cannot be written."""
        try:
            return work(*arguments)
        except OSError as error:
            self.drop()
            return self.lost(error)

    def drop(self) -> None:
        """Let what is left to be written go nowhere."""
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.stream.fileno())

    def lost(self, error: OSError) -> Any:
        """Raise LostOutputError: nobody waits for what the command does."""
        raise LostOutputError("" if error.errno in READER_GONE else f"standard output cannot be written ({error.strerror})") from error


class Messages(Output):
    """As `Output`, of messages and progress, without which work goes on."""

    def lost(self, error: OSError) -> int:
        """Nothing is written."""
        return 0


@contextmanager
def lasting_messages() -> Iterator[None]:
    """Within it, nobody misses a lost reader of standard error."""
    before = sys.stderr
    sys.stderr = Messages(before or nowhere())  # pyright: ignore[reportAttributeAccessIssue]
    try:
        yield
    finally:
        sys.stderr.flush()
        sys.stderr = before


@contextmanager
def lasting_output() -> Iterator[None]:
    """Within it, a lost reader of standard output raises LostOutputError; at its end too."""
    before = sys.stdout
    sys.stdout = Output(before or nowhere())  # pyright: ignore[reportAttributeAccessIssue]
    try:
        yield
    finally:
        try:
            sys.stdout.flush()  # noticed here, not while Python ends
        finally:
            sys.stdout = before


def nowhere() -> TextIO:
    """A stream in place of one that was closed before the start, whose number no other file may get."""
    return open(os.devnull, "w", encoding="utf-8")
