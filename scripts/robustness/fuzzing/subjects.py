"""What is a subject? A whole file, how it is read, and whether other contents may ever be accepted in its place."""

import dataclasses
import hashlib
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
from torch import Tensor

from fuzzing.damages import damaged
from fuzzing.trees import FORMATS, drawn


@dataclasses.dataclass
class Subject:
    """A file and what reads it.

    kind: row of the table. read: gives what the file means, or raises InputError. hashed: whether bytes with another meaning must be
    refused. form: of FORMATS, where its tree is damaged too. inner: damages what a checksum guards and sets the checksum right again.
    named: of which each refusal must say one, by default the name of the file.
    """

    kind: str
    path: Path
    read: Callable[[], object]
    hashed: bool = False
    form: str | None = None
    inner: Callable[[bytes, random.Random], bytes] = damaged
    named: tuple[str, ...] = ()

    def __post_init__(self):
        """Read the whole file, for what it means."""
        self.named = self.named or (self.path.name,)
        self.whole = self.path.read_bytes()
        self.meaning = digest(self.read())

    def cases(self, count: int, seed: int) -> list[bytes]:
        """`count` damaged files; the same for the same seed. Half of them have a damaged tree, where the form is known."""
        rng = random.Random(f"{seed} {self.kind} {self.path.name}")
        parse, write = FORMATS[self.form] if self.form else (None, None)
        trees = [write(tree) for tree in drawn(parse(self.whole), count // 2, rng.randrange(2**32))] if parse else []
        return trees + [self.inner(self.whole, rng) for _ in range(count - len(trees))]


def digest(value) -> str:
    """A hash of all that a value holds, tensors to the last bit."""
    found = hashlib.sha256()
    for part in parts(value):
        found.update(part)
    return found.hexdigest()


def parts(value):
    """The bytes of a value, branch by branch."""
    if dataclasses.is_dataclass(value):
        value = dataclasses.asdict(value)
    if isinstance(value, Tensor):
        value = value.detach().cpu().numpy()
    yield type(value).__name__.encode()
    if isinstance(value, np.ndarray):
        yield f"{value.dtype} {value.shape}".encode() + value.tobytes()
    elif isinstance(value, dict):
        for key, branch in value.items():
            yield repr(key).encode()
            yield from parts(branch)
    elif isinstance(value, list | tuple):
        for branch in value:
            yield from parts(branch)
    else:
        yield repr(value).encode()
