"""Safe reading of JSON: regular files, finite numbers of 64 bits, each key once, bounded depth."""

import json
import math
from pathlib import Path


def read_json(path: Path):
    """Content of a JSON file. Raises OSError where it is absent and ValueError where it is invalid."""
    if path.exists() and not path.is_file():
        raise ValueError("it is not a regular file")
    return parsed(path.read_bytes())


def parsed(text: bytes):
    """Value of a JSON text in UTF-8. Raises ValueError."""
    try:
        return json.loads(text.decode(), parse_int=_whole, parse_float=_finite, parse_constant=_finite, object_pairs_hook=_once)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def json_text(tree: dict) -> str:
    """A JSON object with one line a key."""
    return "{\n" + ",\n".join(f" {json.dumps(key)}: {json.dumps(value)}" for key, value in tree.items()) + "\n}"


def _whole(digits: str) -> int:
    if len(digits) > 20 or not -(2**63) <= int(digits) < 2**63:
        raise ValueError(f"{digits[:20]} is not a number of 64 bits")
    return int(digits)


def _finite(digits: str) -> float:
    if not math.isfinite(value := float(digits)):
        raise ValueError(f"{digits[:20]} is not a finite number")
    return value


def _once(pairs: list[tuple]) -> dict:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(name for name in names if names.count(name) > 1)!r} stands twice")
    return found


def is_number(value) -> bool:
    """Whether a value of JSON is a number, which true and false are not."""
    return isinstance(value, int | float) and not isinstance(value, bool)
