"""How are configuration and command line read? jsonargparse, with dotted paths checked before it and short messages after it."""

import difflib
import inspect
import re
from pathlib import Path

import yaml
from jsonargparse import ArgumentParser
from jsonargparse._util import import_object

from gan_sntg.core.errors import InputError

ALLOWED = ("gan_sntg", "discriminative", "torch")
DOTTED = re.compile(r"[A-Za-z_]\w*(\.\w+)+")
PLAIN_KEYS = ("root", "file")  # values that are never imported, though they may look like a dotted path


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
    if "nearest:" in message:  # an inner parser has said it already
        options = []
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    keys = ".".join(found for line in lines for found in re.findall(r'^Parser key "(.+)":$', line))
    problem = " ".join(line for line in lines if not re.match(r'Parser key "|Problem with given class_path|tip:', line))[:300]
    for class_path in re.findall(r"class_path '([\w.]+)'", message):
        options = options and list(inspect.signature(import_object(class_path).__init__).parameters)[1:]
    unknown = re.search(r"Option '(\w+)'|arguments: --([\w.]+)", problem)
    given = next(filter(None, unknown.groups()), "") if unknown else ""
    near = difflib.get_close_matches(given, [name.lstrip("-") for name in options], n=3)
    problem = re.sub(r"(?<! ) nearest:", "\n  nearest:", problem)
    return (f"{keys}: " if keys else "") + problem + (f"\n  nearest: {', '.join(near)}" if near else "")


def check_arguments(args: list[str]) -> None:
    """Raise InputError if an argument, or a YAML file behind --config, names something to import outside ALLOWED."""
    for key, value in zip(args, [*args[1:], ""], strict=True):
        key, _, attached = key.partition("=")
        value = attached or value
        if key == "--config":
            check_tree(load_yaml(Path(value)), value)
        elif re.match(r"--(data|method)\b", key):
            check_tree({key.rpartition(".")[2].lstrip("-"): yaml_value(value)}, key)


def load_yaml(path: Path):
    """The tree of a YAML file, by the safe loader. Raises InputError where it cannot be read."""
    try:
        return yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{path} is not a readable YAML file ({reason}); give one such as configs/digits_20/fm_gan.yaml") from error


def yaml_value(text: str):
    """What YAML makes of a word of the command line; the word itself where it makes nothing."""
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return text


def check_tree(tree, where: str, key: str = "") -> None:
    """Raise InputError if a value in the tree looks like an import path outside ALLOWED."""
    if isinstance(tree, dict):
        for name, branch in tree.items():
            check_tree(branch, where, str(name))
    elif isinstance(tree, list):
        for branch in tree:
            check_tree(branch, where, key)
    elif isinstance(tree, str) and key not in PLAIN_KEYS and DOTTED.fullmatch(tree) and tree.split(".")[0] not in ALLOWED:
        raise InputError(
            f"{where}: {key}: {tree} is refused: only {', '.join(ALLOWED)} may be imported by a configuration; name one of theirs"
        )
