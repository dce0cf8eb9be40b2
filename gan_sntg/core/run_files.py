"""What must the files of a run folder be? Inside it, and of the fields that are read of them."""

import os
from pathlib import Path

from gan_sntg.core.errors import InputError
from gan_sntg.core.json_files import is_number, parsed

MARKUP = '<>"'


def check_inside(folder: Path, parts: list[Path]) -> None:
    """Raise InputError where a link makes one of the parts lie outside the folder: what is read and written there is not the run's."""
    try:
        inside = Path(os.path.realpath(folder))
        elsewhere = {part: place for part in parts if not (place := Path(os.path.realpath(part))).is_relative_to(inside)}
        inside.exists()  # where a name is too long
    except (OSError, ValueError) as error:
        raise InputError(f"{str(folder)!r} cannot be the name of a folder ({error}); choose another") from error
    for part, place in elsewhere.items():
        raise InputError(f"{part} leads out of the run folder, to {place}; put a real file or folder in its place")


def check_new_name(folder: Path) -> None:
    """Raise InputError where the path of a folder that is to be made would be read as markup, or as more than one line."""
    wrong = sorted({sign for sign in str(folder) if sign in MARKUP or not sign.isprintable()})
    if wrong:
        raise InputError(
            f"{str(folder)!r} has {', '.join(map(repr, wrong))} in it, which pages and shells take for more; choose another with --out"
        )


def row_of(line: bytes) -> dict:
    """A row of metrics.jsonl. Raises ValueError where the line is none."""
    row = parsed(line)
    if not isinstance(row, dict) or any(type(row.get(name)) is not int for name in ("epoch", "step")):
        raise ValueError("it has no epoch and step")
    if any(value is not None and not is_number(value) for value in row.values()):
        raise ValueError("it holds something else than numbers")
    return row


def check_result(result) -> None:
    """Raise ValueError unless it has what is read of a result."""
    if not isinstance(result, dict) or not isinstance(result.get("config"), dict) or not isinstance(result.get("split_sha256"), str):
        raise ValueError("it has no config and split_sha256")
    if not all(is_number(result.get(name)) for name in ("test_error_last", "test_error_averaged", "seconds", "epochs")):
        raise ValueError("its errors, seconds and epochs are no numbers")
    if type(images := result.get("test_images", 1)) is not int or images < 1:
        raise ValueError("its test_images is no number of images")
    if not is_number(result.get("validation_error", "")) and result.get("validation_error", "") is not None:
        raise ValueError("its validation_error is no number")
