"""Safe reading of tensor files: bytes checked against their checksums, no pickles but of tensors."""

import warnings
import zipfile
from pathlib import Path

import torch
from torch import Tensor

MOST_PARTS = 100_000  # of a state: entries of all its mappings and lists


def load_tensors(path: Path, device: torch.device | str = "cpu"):
    """Tensors, numbers and texts of a file that `torch.save` wrote. Raises any error where it is damaged."""
    check_archive(path)
    state = load_unchecked(path, device)
    check_parts(state)
    return state


def load_unchecked(path: Path, device: torch.device | str = "cpu"):
    """As `load_tensors`, of torch's older format too, which has no checksums."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of bytes that are refused
        return torch.load(path, map_location=device, weights_only=True)


def check_archive(path: Path) -> None:
    """Raise ValueError where bytes fail their checksum, which torch.load ignores, or unpack to more."""
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        packed = any(member.compress_type != zipfile.ZIP_STORED for member in members)
        if packed or sum(member.file_size for member in members) > path.stat().st_size:
            raise ValueError("it unpacks to more than it holds")
        if damaged := archive.testzip():
            raise ValueError(f"{damaged} does not match its checksum")


def check_parts(state) -> None:
    """Raise ValueError where a state has parts without end, or a tensor is larger than its storage."""
    waiting, seen = [state], 0
    while waiting:
        part = waiting.pop()
        seen += 1
        if isinstance(part, dict):
            waiting += part.values()
        elif isinstance(part, list | tuple | set):
            waiting += part
        elif isinstance(part, Tensor) and part.numel() * part.element_size() > part.untyped_storage().nbytes():
            raise ValueError(f"a tensor {list(part.shape)} is larger than what is stored of it")
        if seen + len(waiting) > MOST_PARTS:
            raise ValueError(f"it has more than {MOST_PARTS:,} parts")
