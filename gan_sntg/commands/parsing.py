"""How are configuration and command line read? jsonargparse, with dotted paths checked before it and short messages after it."""

import difflib
import importlib
import inspect
import re
from pathlib import Path

import yaml
from jsonargparse import ArgumentParser

from gan_sntg.core.allowed import ALLOWED, check_tree
from gan_sntg.core.errors import InputError

OBJECTS = ("data", "normalization", "method")  # the options that name classes


class Parser(ArgumentParser):
    """A jsonargparse parser whose errors are InputErrors of two lines: which key, what was found, the nearest names."""

    def parse_args(self, args: list[str], *rest, **named):
        """As jsonargparse's, after every dotted path in `args` and the files they name was checked against ALLOWED."""
        check_arguments(args)
        return super().parse_args(args, *rest, **named)

    def error(self, message: str, ex: Exception | None = None):
        """Raise InputError with the message made short."""
        raise InputError(shortened(message, [name for action in self._actions for name in action.option_strings])) from ex


def shortened(message: str, options: list[str]) -> str:
    """The keys on the way to the problem, the problem, and the names nearest to what was given."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    keys = ".".join(found for line in lines for found in re.findall(r'^Parser key "(.+)":$', line))
    problem = " ".join(line for line in lines if not re.match(r'Parser key "|Problem with given class_path|tip:|nearest:', line))[:300]
    hints = [line for line in lines if line.startswith("nearest:")] or nearest(message, problem, options)
    return (f"{keys}: " if keys else "") + "\n  ".join([problem, *hints])


def nearest(message: str, problem: str, options: list[str]) -> list[str]:
    """One line with the names nearest to the unknown one, from the class or module that the message speaks of; or none."""
    for class_path in re.findall(r"class_path '([\w.]+)'", message):
        options = parameters(class_path)
    for module in re.findall(r"module '([\w.]+)' has no attribute", message):
        options = list(vars(importlib.import_module(module)))
    unknown = re.search(r"Option '(\w+)'|arguments: --([\w.]+)|has no attribute '(\w+)'", problem)
    given = next(filter(None, unknown.groups())) if unknown else ""
    near = difflib.get_close_matches(given, [name.lstrip("-") for name in options], n=3)
    return [f"nearest: {', '.join(near)}"] if near else []


def parameters(class_path: str) -> list[str]:
    """Names of the constructor's parameters; none where the class cannot be found."""
    module, _, name = class_path.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), name, None) if module.split(".")[0] in ALLOWED else None
    except ImportError:
        found = None
    return list(inspect.signature(found).parameters) if found else []


def check_arguments(args: list[str]) -> None:
    """Raise InputError if an argument, or a YAML file behind --config, names something to import outside ALLOWED."""
    for word, following in zip(args, [*args[1:], ""], strict=False):
        key, _, attached = word.partition("=")
        value = attached or following
        name = key.lstrip("-")
        if key.startswith("--") and name and "config".startswith(name):  # argparse takes the beginning of an option for it
            tree = load_yaml(Path(value))
            if tree.get("config"):
                raise InputError(f"{value} names a further config file; put all options into one file")
            for part in tree:  # a key may itself be dotted, as method.teacher
                if str(part).split(".")[0] in OBJECTS:
                    check_tree(tree[part], f"{value}: {part}", str(part).rpartition(".")[2])
        elif key.startswith("--") and name and any(part.startswith(name.split(".")[0]) for part in OBJECTS):
            check_tree({name.rpartition(".")[2]: value}, key)


def load_yaml(path: Path) -> dict:
    """The mapping in a YAML file, by the safe loader. Raises InputError where there is none."""
    try:
        tree = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{path} is not a readable YAML file ({reason}); give one such as configs/digits_20/fm_gan.yaml") from error
    if not isinstance(tree, dict):
        raise InputError(f"{path} holds no options (a mapping of names to values); give one such as configs/digits_20/fm_gan.yaml")
    return tree
