"""Import paths in configurations: only ours, torch's and allowed packages'; versions of packages."""

import hashlib
import importlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from jsonargparse import set_parsing_settings

from gan_sntg.errors import InputError, refusing

OURS = ("gan_sntg", "discriminative")

set_parsing_settings(import_path_denylist=["*"], import_path_allowlist=[*OURS, "torch"])  # what a value may name, for jsonargparse
_others = ["torch"]
_packages: dict[str, str] = {}  # one's own packages, by --allow or by objects given in Python, and the SHA-256 of their code


def own_packages() -> dict[str, str]:
    """The packages admitted beside ours and torch, and the SHA-256 of their code."""
    return dict(_packages)


def allow_words() -> list[str]:
    """The words that admit them to another command."""
    return [f"--allow={package}" for package in _packages]


def allowed() -> tuple[str, ...]:
    """All packages that a configuration may name something of."""
    return (*OURS, *_others, *_packages)


def refusal() -> str:
    """What is said of any other, behind its name."""
    others = f"a configuration may only name what is in {', '.join(allowed())}"
    return f"is refused: {others}; for code of your own that you trust, add --allow PACKAGE to the command"


def allow(package: str) -> None:
    """Import a package and admit what it holds. Raises InputError where it cannot be imported."""
    if not re.fullmatch(r"[^\W\d]\w*", package):
        raise InputError(f"--allow {package!r} is not the name of a package; give the name that Python imports, such as mypackage")
    with refusing(f"--allow {package}: it cannot be imported", "install it, or name its folder in PYTHONPATH"):
        importlib.import_module(package)
    _packages[package] = code_sha256(package)  # refuses what has no files before it is admitted
    set_parsing_settings(import_path_allowlist=[package])


@contextmanager
def without_torch() -> Iterator[None]:
    """Within it, a value may name nothing of torch."""
    _others.clear()
    set_parsing_settings(import_path_denylist=["torch"])
    try:
        yield
    finally:
        _others.append("torch")
        set_parsing_settings(import_path_allowlist=["torch"])


def code_sha256(package: str) -> str:
    """SHA-256 over the names and bytes of a package's Python files, or of its one file."""
    place = getattr(importlib.import_module(package), "__file__", None)
    if place is None and package != "__main__":
        raise InputError(f"--allow {package}: it has no Python files; name a package of your own")
    origin = Path(place or "")
    files = sorted(origin.parent.rglob("*.py")) if origin.name == "__init__.py" else [origin] if place else []
    contents = (str(file.relative_to(origin.parent)).encode() + b"\0" + file.read_bytes() for file in files)
    return hashlib.sha256(b"".join(contents)).hexdigest()


def class_at(path: str, kind: type, where: str) -> type:
    """A class of a kind by its dotted path. InputError where it is private, or only imported there."""
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


def installed(package: str) -> str | None:
    """A package's version; None where it is not installed, as this one in a checkout."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None
