"""Was this file's hash checked before? Noted in the user's cache with its size, times and inode: if one of them differs, it was not.

What a note cannot tell: a change that leaves size, times (ctime, which no program sets, among them) and inode alone, such as one of the
disk itself, or a note that the user forges. Whoever doubts the disk deletes the cache: it costs time only.
"""

import json
import os
import time
from pathlib import Path

from gan_sntg.core.checkpoint import write_atomically
from gan_sntg.core.data.kept import cache_folder
from gan_sntg.core.json_files import read_json

FILE = "known_files.json"  # {path: [hash, *mark]}
MOST = 1000  # notes kept, the latest
YOUNG = 2 * 10**9  # ns since the last change of a file until it is noted: it could change again within one tick of its clock


def mark_of(path: Path) -> list[int]:
    """What changes with a file: size, times of change of content and of inode, inode and device."""
    found = path.stat()
    return [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_dev]


def is_noted(path: Path, digest: str) -> bool:
    """Whether the file was found to have this hash and has not changed since."""
    return _notes().get(os.path.realpath(path)) == [digest, *mark_of(path)]


def note(path: Path, digest: str, mark: list[int]) -> None:
    """Note that the file had this hash with this mark; where it has changed since, or lately, or there is no cache, nothing is noted."""
    if mark_of(path) != mark or time.time_ns() - max(mark[1:3]) < YOUNG:
        return
    notes = list((_notes() | {os.path.realpath(path): [digest, *mark]}).items())[-MOST:]
    try:
        cache_folder().mkdir(parents=True, exist_ok=True)
        write_atomically(cache_folder() / FILE, json.dumps(dict(notes)).encode())
    except OSError:  # costs time only
        return


def _notes() -> dict:
    try:
        found = read_json(cache_folder() / FILE)
    except (OSError, ValueError):  # what is not there, or damaged, is found again
        return {}
    return found if isinstance(found, dict) else {}
