"""Import paths in configurations: only classes of this project, of torch or of allowed packages are admitted."""

import hashlib
import importlib
import re
from pathlib import Path

from jsonargparse import set_parsing_settings

from gan_sntg.errors import InputError
from gan_sntg.files.yaml_files import texts

OURS = ("gan_sntg", "discriminative")
DOTTED = re.compile(r"[^\W\d]\w*(\.\w+)+")  # names may be of any script
PLAIN_KEYS = ("root", "file")  # values that are never imported, though they may look like a dotted path

_packages: dict[str, str] = {}  # one's own packages, by --allow or by objects given in Python, and the SHA-256 of their code


def check_tree(tree, where: str, key: str = "", allowed: tuple[str, ...] = ALLOWED) -> None:
    """Raise InputError where a text in the tree names a path outside `allowed` or is invalid YAML."""
    try:
        for name, text in texts(tree, key):
            for match in [] if name in PLAIN_KEYS else DOTTED.finditer(text):
                if match.group().split(".")[0] not in (packages or allowed()):
                    raise InputError(f"{where}: {match.group()} {refusal()}")
    except InputError:
        raise
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where} cannot be read: {error}") from error


def class_at(path: str, kind: type, where: str) -> type:
    """Class of a kind that a module of ours defines. Raises InputError where the path leads elsewhere.

    What a module imports is not its own, so no path through ours leads into another package. Nothing private can be named.
    """
    module, _, name = path.rpartition(".")
    if not re.fullmatch(r"[A-Za-z]\w*(\.[A-Za-z]\w*)*", module) or module.split(".")[0] not in (*OURS, *_packages):
        raise InputError(f"{where}: {path} is refused: only classes of {' and '.join((*OURS, *_packages))} may be named here")
    try:
        found = getattr(importlib.import_module(module), name, None)
    except ImportError:
        found = None
    if not (isinstance(found, type) and f"{found.__module__}.".startswith(f"{module}.") and issubclass(found, kind)):
        raise InputError(f"{where}: {path} is refused: it is not a {kind.__name__} that {module} defines; use the version that wrote it")
    return found


apply()
