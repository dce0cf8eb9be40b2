"""Paths as people give them: from ~, and folders with all their folders, links followed."""

import os
import unicodedata
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jsonargparse import Namespace

from gan_sntg.errors import InputError


def at_home(path: str | Path) -> Path:
    """A path from outside, with ~ as the home folder. Raises InputError where there is none."""
    found = os.path.expanduser(path)
    if str(found).split("/")[0] == "~":
        raise InputError(f"{path}: there is no home folder here, for HOME is not set; write the path out")
    return Path(found)


def with_home(tree: Any) -> Any:
    """Make each text of the options that begins with ~ the path it is, in place; no other text begins so."""
    if isinstance(tree, Namespace | dict):
        values = vars(tree) if isinstance(tree, Namespace) else tree
        values.update({name: with_home(value) for name, value in values.items()})
        return tree
    if isinstance(tree, list):
        return [with_home(value) for value in tree]
    return str(at_home(tree)) if isinstance(tree, str) and tree.startswith("~") else tree


@dataclass
class Listing:
    """Files under a folder, sorted; what cannot be listed, and sentences on links that are not followed.

    Names that begin with a dot are left out. A link is followed where it leads to what is not listed otherwise.
    """

    folder: Path
    files: list[Path] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __post_init__(self):
        seen = {str(above): above for above in Path(os.path.realpath(self.folder)).parents}
        folders, links = deque([self.folder]), deque()
        while folders or links:  # links last: what has a place of its own is listed there
            here = folders.popleft() if folders else links.popleft()
            if (real := os.path.realpath(here)) in seen:
                self.notes.append(f"{here}: not followed, for it leads to {seen[real]}, which is listed already or holds it")
                continue
            seen[real] = here
            for path in self._entries(here):
                if os.path.isdir(path):
                    (links if path.is_symlink() else folders).append(path)
                elif path.is_symlink() and not os.path.exists(path):
                    self.problems.append(f"{path}: a link to {os.readlink(path)}, which cannot be found")
                else:
                    self.files.append(path)
        self.files.sort()

    def _entries(self, folder: Path) -> list[Path]:
        try:
            entries = visible(folder)
        except OSError as error:
            self.problems.append(f"{folder}: a folder that cannot be listed ({error.strerror}), with all that is in it")
            return []
        if not entries and folder != self.folder:
            self.notes.append(f"{folder}: a folder with nothing in it")
        return entries


def visible(folder: Path) -> list[Path]:
    """Entries of a folder by name, without hidden ones. Raises OSError where it cannot be listed."""
    return sorted((path for path in folder.iterdir() if not path.name.startswith(".")), key=lambda path: path.name)


def as_read(name: str) -> str:
    """A name as people read it: its letters composed (NFC), no spaces around it, single ones in it."""
    return " ".join(unicodedata.normalize("NFC", name).split())
