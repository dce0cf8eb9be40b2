"""Files of fixed graphs: .npz of plain arrays, pinned to the bytes of their data."""

import io
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gan_sntg.errors import InputError
from gan_sntg.files.array_files import read_npz
from gan_sntg.files.atomic import write_atomically, writing

NEIGHBORS, PREDICTIONS = "neighbors", "predictions"  # the kinds, and the words of `gan-sntg graph` that make them


@dataclass
class Table:
    """Contents of a graph file: `values` int32 [N, k] or int64 [N], a row per image; hash of its data."""

    path: Path
    kind: str
    sha256: str
    values: Tensor

    def on(self, device: torch.device) -> Tensor:
        """The values on a device; they stay there."""
        if self.values.device != device:
            self.values = self.values.to(device)
        return self.values

    def check(self, sha256: str, num_examples: int, num_classes: int) -> None:
        """Raise InputError unless the graph was made of data with this hash, N and K."""
        if self.sha256 != sha256:
            hashes = f"SHA-256 {self.sha256[:12]}..., here {sha256[:12]}..."
            raise InputError(f"{self.path} was made of other data ({hashes}); {_again(self.kind)} of these")
        if len(self.values) != num_examples:
            raise _damaged(self.path, self.kind, f"it is of {len(self.values)} images, not of the {num_examples} there are")
        if self.kind == PREDICTIONS and self.values.max() >= num_classes:
            raise _damaged(self.path, self.kind, f"it names a class {self.values.max()}, but there are {num_classes}")


def _again(kind: str) -> str:
    """What to do about a file that cannot be used."""
    return f"make it with `gan-sntg graph {kind}`"


def write_neighbors(path: Path, sha256: str, neighbors: Tensor) -> None:
    """Write neighbors int32 [N, k] of the data with this hash. Raises InputError on failure."""
    _write(path, {"kind": NEIGHBORS, "sha256": sha256, "neighbors": neighbors.numpy(), "k": neighbors.shape[1]})


def write_predictions(path: Path, sha256: str, classes: Tensor, method: str, test_error: str, split_sha256: str) -> None:
    """Write classes int64 [N] that a run predicted, and their origin. Raises InputError on failure."""
    origin = {"method": method, "test_error": test_error, "split_sha256": split_sha256}
    _write(path, {"kind": PREDICTIONS, "sha256": sha256, "classes": classes.numpy()} | origin)


def _write(path: Path, arrays: dict[str, Any]) -> None:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    with writing(path):
        write_atomically(path, buffer.getbuffer())


def read_neighbors(path: Path) -> Table:
    """The table int32 [N, k] of `write_neighbors`. Raises InputError where the file is invalid."""
    sha256, arrays = _read(path, NEIGHBORS, ("neighbors", "k"))
    neighbors = arrays["neighbors"]
    if neighbors.dtype != np.int32 or neighbors.ndim != 2 or arrays["k"].tolist() != neighbors.shape[1] or 0 in neighbors.shape:
        raise _damaged(path, NEIGHBORS, f"neighbors is {neighbors.dtype} {list(neighbors.shape)}, not int32 [images, k] with its own k")
    n, ordered = len(neighbors), np.sort(neighbors, axis=1)
    twice, itself = ordered[:, 1:] == ordered[:, :-1], neighbors == np.arange(n)[:, None]
    if neighbors.min() < 0 or neighbors.max() >= n or twice.any() or itself.any():
        raise _damaged(path, NEIGHBORS, f"the neighbours of an image are not different other images in 0..{n - 1}")
    return Table(path, NEIGHBORS, sha256, torch.from_numpy(np.ascontiguousarray(neighbors)))


def read_predictions(path: Path) -> Table:
    """The table int64 [N] of `write_predictions`. Raises InputError where the file is invalid."""
    sha256, arrays = _read(path, PREDICTIONS, ("classes",))
    classes = arrays["classes"]
    if classes.dtype != np.int64 or classes.ndim != 1 or not len(classes):
        raise _damaged(path, PREDICTIONS, f"classes is {classes.dtype} {list(classes.shape)}, not int64 [images]")
    if classes.min() < 0:
        raise _damaged(path, PREDICTIONS, f"it names a class {classes.min()}")
    return Table(path, PREDICTIONS, sha256, torch.from_numpy(classes))


def _read(path: Path, kind: str, names: tuple[str, ...]) -> tuple[str, dict[str, np.ndarray]]:
    """The data's hash and the arrays `names` of a graph file of this kind."""
    if not path.is_file():
        raise InputError(f"the graph file {path} does not exist; {_again(kind)}")
    head = read_npz(path, ("kind", "sha256"), remedy=_again(kind))
    found, sha256 = _text(head["kind"]), _text(head["sha256"])
    if found not in (NEIGHBORS, PREDICTIONS) or not re.fullmatch("[0-9a-f]{64}", sha256):
        raise _damaged(path, kind, "its kind or sha256 is invalid")
    if found != kind:
        raise InputError(f"{path} holds {found}, not {kind}; give another file, or {_again(kind)}")
    return sha256, read_npz(path, names, remedy=_again(kind))


def _text(array: np.ndarray) -> str:
    """The text in an array of one; empty where there is none."""
    try:
        return array.item() if array.dtype.kind == "U" and array.shape == () else ""
    except SystemError:  # a code beyond the last character
        return ""


def _damaged(path: Path, kind: str, what: str) -> InputError:
    return InputError(f"{path} is damaged: {what}; {_again(kind)}")
