"""Configurations by path or name, and safe reading of YAML: no tags, no aliases, also inside texts."""

import contextlib
import difflib
from pathlib import Path
from typing import Any, TypeVar

import yaml
from jsonargparse import ArgumentParser

from gan_sntg.errors import InputError, refusing

PACKAGE = Path(__file__).parents[1]
MOST_BYTES = 2**17  # a second of reading
EXAMPLE = "give one such as configs/digits_20/fm_gan.yaml"
T = TypeVar("T")


def configs_folder() -> Path:
    """Folder of the configurations: in an installed package, beside the package in a checkout."""
    return beside("configs")


def beside(folder: str) -> Path:
    """A folder of an installed package, or beside the package in a checkout."""
    installed = PACKAGE / folder
    return installed if installed.is_dir() else PACKAGE.parent / folder


def config_file(name: str) -> Path:
    """Path of a file, or of the package's configuration of a name. InputError says the nearest ones."""
    if Path(name).is_file():
        return Path(name)
    known = {path.relative_to(configs_folder()).with_suffix("").as_posix(): path for path in sorted(configs_folder().rglob("*.yaml"))}
    asked = name.removeprefix("configs/").removesuffix(".yaml")
    if asked not in known:
        near = difflib.get_close_matches(asked, known, n=3)
        advice = f"did you mean {' or '.join(near)}?" if near else "give the path of a YAML file, or a name as digits_20/fm_gan"
        raise InputError(f"{name} is neither a file nor a configuration of this package; {advice}")
    return known[asked]


def load_yaml(path: Path) -> dict:
    """Mapping in a YAML file. Raises InputError where there is none, or an alias in it or its texts."""
    with refusing(f"{path} is not a readable YAML file", EXAMPLE):
        if not path.is_file() or path.stat().st_size > MOST_BYTES:
            raise ValueError(f"it is not a file, or has more than {MOST_BYTES:,} bytes")
        tree = loaded(path.read_text())
        check_texts(tree)
    if not isinstance(tree, dict):
        raise InputError(f"{path} holds no options (a mapping of names to values); {EXAMPLE}")
    return tree


def loaded(text: str):
    """Value of a YAML text. Raises ValueError where it has aliases, which can make a tree of any size."""
    if "*" in text and any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text)):
        raise ValueError("it has an alias, a name after *; write the options out")
    return yaml.safe_load(text)


def check_texts(tree) -> None:
    """Raise ValueError or RecursionError where YAML in a text of a tree has an alias or is too deep."""
    for branch in tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ():
        check_texts(branch)
    if isinstance(tree, str) and any(sign in tree for sign in "{}[]:\"'\\\n"):
        with contextlib.suppress(yaml.YAMLError):
            inner = loaded(tree)
            if inner != tree:
                check_texts(inner)


def instance(kind: type[T], arguments: Any) -> T:
    """The object of a class of these arguments. Raises an error of any kind where they do not fit it."""
    check_texts(arguments)  # jsonargparse reads YAML in texts as they come
    parser, name = ArgumentParser(exit_on_error=False), kind.__name__.lower()
    parser.add_class_arguments(kind, name)
    return parser.instantiate(parser.parse_object({name: arguments} if arguments else {}))[name]
