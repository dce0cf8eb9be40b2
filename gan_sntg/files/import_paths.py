"""Import paths in configurations: only classes of this project or of torch are admitted."""

import importlib
import re

from gan_sntg.errors import InputError
from gan_sntg.files.yaml_files import texts

OURS = ("gan_sntg", "discriminative")
ALLOWED = (*OURS, "torch")
DOTTED = re.compile(r"[^\W\d]\w*(\.\w+)+")  # names may be of any script
PLAIN_KEYS = ("root", "file")  # values that are never imported, though they may look like a dotted path
REFUSED = f"is refused: a configuration may only name what is in {', '.join(ALLOWED)}"


def check_tree(tree, where: str, key: str = "", allowed: tuple[str, ...] = ALLOWED) -> None:
    """Raise InputError if a text in the tree may be an import path outside the packages `allowed`, or is YAML that is not read."""
    try:
        for name, text in texts(tree, key):
            for match in [] if name in PLAIN_KEYS else DOTTED.finditer(text):
                if match.group().split(".")[0] not in allowed:
                    raise InputError(f"{where}: {match.group()} is refused: a configuration may only name what is in {', '.join(allowed)}")
    except InputError:
        raise
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where} cannot be read: {error}") from error


def class_at(path: str, kind: type, where: str) -> type:
    """The class of a kind that a room or module of ours defines itself. Raises InputError where the dotted path leads elsewhere.

    What a module imports is not its own: no path through ours leads into another package. Nothing private can be named.
    """
    module, _, name = path.rpartition(".")
    if not re.fullmatch(r"[A-Za-z]\w*(\.[A-Za-z]\w*)*", module) or module.split(".")[0] not in OURS:
        raise InputError(f"{where}: {path} is refused: only classes of {' and '.join(OURS)} may be named here")
    try:
        found = getattr(importlib.import_module(module), name, None)
    except ImportError:
        found = None
    if not (isinstance(found, type) and f"{found.__module__}.".startswith(f"{module}.") and issubclass(found, kind)):
        raise InputError(f"{where}: {path} is refused: it is not a {kind.__name__} that {module} defines; use the version that wrote it")
    return found
