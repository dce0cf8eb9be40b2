"""Safe reading of JSON: files only, finite numbers of 64 bits, bounded depth."""

import json
import math
from pathlib import Path


def read_json(path: Path):
    """What the file holds. Raises OSError or ValueError where it is not there or not such JSON."""
    if path.exists() and not path.is_file():
        raise ValueError("it is no file")
    return parsed(path.read_bytes())


def parsed(text: bytes):
    """What a JSON text in UTF-8 stands for. Raises ValueError."""
    try:
        return json.loads(text.decode(), parse_int=_whole, parse_float=_finite, parse_constant=_finite)
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error


def _whole(digits: str) -> int:
    if len(digits) > 20 or not -(2**63) <= int(digits) < 2**63:
        raise ValueError(f"{digits[:20]} is no number of 64 bits")
    return int(digits)


def _finite(digits: str) -> float:
    if not math.isfinite(value := float(digits)):
        raise ValueError(f"{digits[:20]} is no finite number")
    return value


def is_number(value) -> bool:
    """Whether it is a number, of which JSON has two kinds; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)
