"""What may be imported because a file or an option names it? What is ours or torch's; checked before anything is."""

import re

from gan_sntg.core.documents import texts
from gan_sntg.core.errors import InputError

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
