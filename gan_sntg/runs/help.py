"""Text of `--help`, completion in shells, and words for arguments of classes from docstrings."""

import inspect
import re
import sys
from argparse import SUPPRESS, Action, ArgumentParser, _HelpAction, _SubParsersAction
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from itertools import zip_longest
from shutil import get_terminal_size
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from jsonargparse import DefaultHelpFormatter

from gan_sntg.configurable import kinds

WIDTH, MOST, COLUMN = 100, 120, 32  # of lines: where no terminal has another, and at most; where the words begin
FROM_DATA = {"image_shape": "shape of what it sees; the data give it", "num_classes": "K; the data give it"}
INTERNAL = ("gan_sntg.data.recorded",)  # whose classes no configuration names
KINDS = {int: "N", float: "X", str: "TEXT"}


class HelpFormatter(DefaultHelpFormatter):
    """An option a line: its name, its kind of value, its words, its default or choices in brackets."""

    def __init__(self, prog: str, **named: Any):
        super().__init__(prog, max_help_position=COLUMN, width=min(get_terminal_size((WIDTH, 0)).columns, MOST) - 2, **named)

    def add_argument(self, action: Action) -> None:
        """Leave out --NAME.help, which the line of --NAME says, and arguments that are linked."""
        if is_own(action):
            super().add_argument(action)

    def add_usage(self, usage: str | None, actions: Iterable[Action], *rest, **named) -> None:
        """As it is, without them."""
        super().add_usage(usage, filter(is_own, actions), *rest, **named)

    def _get_default_metavar_for_optional(self, action: Action) -> str:
        if classes_of(action):
            return "CLASS"
        kind = kind_of(action)
        return next((word for base, word in KINDS.items() if isinstance(kind, type) and issubclass(kind, base)), "NAME")

    def _metavar_formatter(self, action: Action, default_metavar: str) -> Callable[[int], tuple[str, ...]]:
        known = choices_of(action) and action.option_strings  # which the brackets list
        return (lambda count: ("NAME",) * count) if known else super()._metavar_formatter(action, default_metavar)

    def _format_action_invocation(self, action: Action) -> str:
        return super()._format_action_invocation(action).replace(" \b", "")  # of jsonargparse's --print_config

    def _get_help_string(self, action: Action) -> str:
        if getattr(action, "_jsonargparse_preexpanded_help", False):
            return action.help or ""
        text, names, choices = (action.help or "").rstrip("."), classes_of(action), choices_of(action)
        if action.dest == "print_config":
            return "print all options as they would be, and stop; =skip_default: those that differ"
        if names:
            text += f" ({', '.join(names)}; --{action.dest}.help CLASS lists its arguments)"
        if not action.option_strings or action.nargs == 0 or action.default == SUPPRESS or "default" in text:
            return text
        if action.required:
            return text if action.dest.rpartition(".")[2] in FROM_DATA else f"{text} [required]".lstrip()
        default = as_word(action.default)
        shown = [default, *(name for name in choices if name != default)] if choices else [default]
        return text if shown == ["null"] else f"{text} [{' | '.join(shown)}]".lstrip()

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        if "\n" in text:  # examples
            return "\n".join(indent + line for line in text.splitlines())
        return super()._fill_text(text, width, indent)


def is_own(action: Action) -> bool:
    """Whether an option has a line: not --NAME.help of a class, and not what another option gives."""
    return type(action).__name__ != "ActionLink" and not any(name.endswith(".help") for name in action.option_strings)


def copy_options(parser: ArgumentParser, plain: ArgumentParser, files: Mapping[str, Any], names: dict[str, list[str]]) -> None:
    """Give a plain parser the options of another; values complete as choices, or as files and names."""
    for action in filter(is_own, parser._actions):
        if isinstance(action, _SubParsersAction):
            below = plain.add_subparsers()
            for name, one in action.choices.items():
                copy_options(one, below.add_parser(name, help=one.description), files, names)
        elif not isinstance(action, _HelpAction):
            options, text = action.option_strings or [action.dest], (action.help or "").replace("%", "%%")
            if action.option_strings and action.nargs == 0:
                plain.add_argument(*options, help=text, action="store_true")
            elif words := words_of(action):
                plain.add_argument(*options, help=text, choices=words)
            else:
                complete = beside_files(action.dest, names[action.dest], files) if action.dest in names else files
                setattr(plain.add_argument(*options, help=text), "complete", complete)  # noqa: B010


def beside_files(option: str, names: Iterable[str], files: Mapping[str, Any]) -> dict[str, Any]:
    """What completes as files do and, in bash, zsh and fish, as these names."""
    text, function = " ".join(names), f"_gan_sntg_{option}_or_file"
    bash = f'{function}() {{\n  {files["bash"]} "$1"\n  compgen -W "{text}" -- "$1"\n}}'
    zsh, fish = f"{{compadd - {text}; {files['zsh']}}}", f"{files['fish']} {text}"
    return {**files, "bash": function, "zsh": zsh, "fish": fish, "preamble": {"bash": bash}}


def words_of(action: Action) -> list[str]:
    """The words that an option takes, classes too; none where it takes others."""
    return choices_of(action) or (["true", "false"] if kind_of(action) is bool and action.nargs != 0 else classes_of(action))


def as_word(value: Any) -> str:
    """A value as it is given to an option."""
    if isinstance(value, list | tuple):
        return " ".join(map(as_word, value)) or "null"
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    return value.name if isinstance(value, Enum) else str(value)


def kind_of(action: Action) -> Any:
    """The type of an option's value, of one that may be null without that."""
    hint = getattr(action, "_typehint", action.type)
    return next((kind for kind in get_args(hint) if kind is not NoneType), hint) if get_origin(hint) in (Union, UnionType) else hint


def choices_of(action: Action) -> list[str]:
    """The words that an option takes; none where it takes others too."""
    kind = kind_of(action)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return list(kind.__members__)
    return [str(name) for name in get_args(kind)] if get_origin(kind) is Literal else []


def classes_of(action: Action) -> list[str]:
    """Short names of the known classes that an option takes; none where it takes a value."""
    extra = getattr(action, "extra_help", str)()
    paths = [path.strip().rpartition(".") for path in extra.partition("subclasses:")[2].split(",") if path.strip()]
    return [name for module, _, name in paths if module not in INTERNAL]


def describe(actions: Iterable[Action], kind: type, prefix: str) -> None:
    """Give the options of a class's arguments, below a prefix, the words of its docstrings."""
    words = FROM_DATA | argument_words(kind)
    for action in actions:
        name = action.dest.removeprefix(f"{prefix}." if prefix else "")
        if not action.help and name in words:
            action.help = words[name]


def kinds_of(kind: type) -> str:
    """A line for each class of a kind: its name, and the first line of its file or, if shared, its own."""
    found = [one for one in kinds(kind) if not inspect.isabstract(one) and one.__module__ not in INTERNAL]
    alone = [one for one in found if [other.__module__ for other in found].count(one.__module__) == 1]
    docs = {one.__name__: getattr(sys.modules.get(one.__module__), "__doc__", "") if one in alone else one.__doc__ for one in found}
    return "\n".join(["one of:", *(f"  {name:20}  {(doc or '').partition(chr(10))[0]}" for name, doc in docs.items())])


def argument_words(kind: type) -> dict[str, str]:
    """Words for the arguments of a class, from its docstrings and those of its bases."""
    found: dict[str, str] = {}
    for base in kind.__mro__:
        own = vars(base).get("__init__")
        if inspect.isfunction(own):
            names = [name for name in inspect.signature(own).parameters if name not in ("self", "args", "kwargs")]
            for doc in (own.__doc__, base.__doc__):
                found = documented(doc or "", names) | found
    return found


def documented(docstring: str, names: list[str]) -> dict[str, str]:
    """Words of `name: words.` or `name, name: words;`, up to the next such or the sentence's end."""
    if not names:
        return {}
    name, found = "|".join(sorted(map(re.escape, names), key=len, reverse=True)), {}
    for paragraph in re.split(r"\n\s*\n", docstring):
        text = " ".join(paragraph.split())
        heads = list(re.finditer(rf"(?:^|(?<=[.;:] ))((?:{name})(?:, (?:{name}))*): ", text))
        for head, following in zip_longest(heads, heads[1:]):
            words = re.split(r"\.\s+(?=[A-Z`])", text[head.end() : following.start() if following else None].strip())[0].rstrip(".;")
            found |= {one: words for one in head[1].split(", ") if one not in found}
    return found
