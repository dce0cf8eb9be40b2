"""Configurations by path or name, and safe reading of YAML: no tags, no aliases, also inside texts."""

import contextlib
import difflib
import re
from collections.abc import Callable, Iterator
from copy import deepcopy
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import yaml
from jsonargparse import ArgumentParser
from yaml.constructor import ConstructorError, SafeConstructor
from yaml.parser import ParserError
from yaml.reader import ReaderError
from yaml.scanner import ScannerError

from gan_sntg.errors import InputError, refusing
from gan_sntg.files.paths import at_home

PACKAGE = Path(__file__).parents[1]
MOST_BYTES = 2**17  # a second of reading
EXAMPLE = "give one such as configs/digits_20/fm_gan.yaml"
DECIMAL = re.compile(r"[-+]?(0|[1-9][0-9]*|([0-9]+\.[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+|\.(?i:inf))|\.(?i:nan)")
EXPONENT = re.compile(r"[-+]?[0-9]+[eE][-+]?[0-9]+")  # a number to Python and YAML 1.2, a text to YAML 1.1
INT, FLOAT, TIME = (f"tag:yaml.org,2002:{kind}" for kind in ("int", "float", "timestamp"))
T = TypeVar("T")


class Strict(SafeConstructor):
    """Safe YAML: decimal numbers, dates as texts, a key once; else a ConstructorError that says the line."""

    yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag != TIME]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        """A mapping, each of whose keys stands once."""
        lines: dict[str, int] = {}
        for key, _ in node.value:
            line = key.start_mark.line + 1
            if key.value in lines:
                raise ConstructorError(problem=f"{key.value} stands twice, in lines {lines[key.value]} and {line}; keep one")
            lines[str(key.value)] = line
        return super().construct_mapping(node, deep)

    def decimal(self, node: yaml.ScalarNode) -> int | float:
        """A number in decimal digits; octal, sexagesimal and others are not the same to all readers."""
        if not DECIMAL.fullmatch(node.value):
            said = f"line {node.start_mark.line + 1}: {node.value} is another number to other readers of YAML"
            raise ConstructorError(problem=f"{said}; write it in decimal digits, or in quotes if it is a text")
        return self.construct_yaml_int(node) if node.tag == INT else self.construct_yaml_float(node)


for _tag in (INT, FLOAT):
    Strict.add_constructor(_tag, Strict.decimal)  # pyright: ignore[reportArgumentType]


class StrictLoader(Strict, yaml.SafeLoader):
    """Strict YAML of a file, in Python, which ends at a depth that it names."""


class ValueLoader(Strict, getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # pyright: ignore[reportGeneralTypeIssues]
    """The same, quickly, for a value on the command line, where 1e-3 is a number too."""


class QuotingDumper(yaml.SafeDumper):
    """Safe YAML in which a text such as 1e-3 stands in quotes, so that no reader takes it for a number."""

    def text(self, given: str) -> yaml.ScalarNode:
        """A text, escaped where it has a line break that YAML would fold."""
        return self.represent_scalar("tag:yaml.org,2002:str", given, style='"' if {*given} & {*"\x85\u2028\u2029"} else None)


QuotingDumper.add_representer(str, QuotingDumper.text)
for _kind in (ValueLoader, QuotingDumper):
    _kind.add_implicit_resolver(FLOAT, EXPONENT, list("-+0123456789"))


def dump(tree: Any) -> str:
    """Text that every reader of YAML reads as this tree, keys in their order."""
    return yaml.dump(tree, Dumper=QuotingDumper, default_flow_style=False, allow_unicode=True, sort_keys=False)


def ambiguous(text: str) -> bool:
    """Whether a text is a number to a reader of YAML 1.1, but not in decimal digits, such as 010 or 1:30."""
    if not text[:1].isdigit() and text[:1] not in ("-", "+", "."):
        return False
    with contextlib.suppress(yaml.YAMLError, ValueError):
        return not DECIMAL.fullmatch(text) and (text.isdigit() or isinstance(yaml.safe_load(text), int | float))
    return False


def value_in(text: str, loader: type) -> Any:
    """What YAML sees in a text; the text where that is a number in other digits alone."""
    try:
        return yaml.load(text, Loader=loader)
    except ConstructorError:
        if re.search(r"[\[{\n]|:\s", text):  # within a tree
            raise
        return text


def value_of(text: str) -> Any:
    """What a word of the command line stands for.

    It is itself where YAML sees nothing in it (but for the word null), names without values, or a number in other digits.
    Raises yaml.YAMLError for what is no YAML.
    """
    value = value_in(text, ValueLoader)
    bare = isinstance(value, dict) and all(found is None for found in value.values()) and not re.search(r":\s|\n", text)  # a: or {a, b}
    return text if bare or value is None and text.strip() != "null" else value


def configs_folder() -> Path:
    """Folder of the configurations: in an installed package, beside the package in a checkout."""
    return beside("configs")


def beside(folder: str) -> Path:
    """A folder of an installed package, or beside the package in a checkout."""
    installed = PACKAGE / folder
    return installed if installed.is_dir() else PACKAGE.parent / folder


def known_configs() -> dict[str, Path]:
    """The package's configurations, grids and searches by their names, such as digits_20/fm_gan."""
    return {path.relative_to(configs_folder()).with_suffix("").as_posix(): path for path in sorted(configs_folder().rglob("*.yaml"))}


def config_file(name: str) -> Path:
    """Path of a file, or of the package's configuration of a name. InputError says the nearest ones."""
    if (path := at_home(name)).is_file():
        return path
    known = known_configs()
    asked = name.removeprefix("configs/").removesuffix(".yaml")
    if asked not in known:
        near = difflib.get_close_matches(asked, known, n=3)
        advice = f"did you mean {' or '.join(near)}?" if near else "give the path of a YAML file, or a name as digits_20/fm_gan"
        raise InputError(f"{name} is neither a file nor a configuration of this package; {advice}")
    return known[asked]


def load_yaml(path: Path) -> dict:
    """Mapping in a YAML file. Raises InputError for none, an alias, a key twice, or other digits in it."""
    with refusing(f"{path} is not a readable YAML file", EXAMPLE):
        if not path.is_file() or path.stat().st_size > MOST_BYTES:
            raise ValueError(f"it is not a file, or has more than {MOST_BYTES:,} bytes")
        tree = deepcopy(tree_of(path.read_text()))
    if not isinstance(tree, dict):
        raise InputError(f"{path} holds no options (a mapping of names to values); {EXAMPLE}")
    return tree


@lru_cache
def tree_of(text: str) -> Any:
    """The tree of a strict YAML text, read once: a grid asks for a file in every cell. Not to be changed."""
    refuse_aliases(text)
    check_texts(tree := yaml.load(text, Loader=StrictLoader))
    return tree


def refuse_aliases(text: str) -> None:
    """Raise ValueError where a YAML text has aliases, which can make a tree of any size."""
    if "*" in text and any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text)):
        raise ValueError("it has an alias, a name after *; write the options out")


def check_texts(tree) -> None:
    """Raise ValueError or RecursionError where YAML in a text of a tree has an alias or is too deep."""
    for branch in tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ():
        check_texts(branch)
    if isinstance(tree, str) and any(sign in tree for sign in "{}[]:\"'\\\n"):
        with contextlib.suppress(ParserError, ScannerError, ReaderError):
            refuse_aliases(tree)
            inner = value_in(tree, StrictLoader)
            if inner != tree:
                check_texts(inner)


def check_quoted(tree: Any, parse: Callable[[Any], Any]) -> None:
    """Raise ValueError where `parse` takes a text in other digits, such as 010, for a number."""
    found = [(keys, text) for keys, text in texts(tree) if ambiguous(text)]
    if not found:
        return
    parse(tree)  # what is wrong anyway
    every = tree
    for keys, text in found:
        every = changed(every, keys, f"{text} is a text")
    with contextlib.suppress(Exception):  # one of them is no text for its option
        parse(every)
        return
    for keys, text in found:
        try:
            parse(changed(tree, keys, f"{text} is a text"))
        except Exception as error:  # whatever it raises: it took the same tree but for this text
            name = ".".join(map(str, keys))
            raise ValueError(f"{name}: to some readers {text!r} is another number, or a text; write it in decimal digits") from error


def texts(tree: Any, keys: tuple = ()) -> Iterator[tuple[tuple, str]]:
    """The texts of a tree of mappings and lists, each with its keys."""
    if isinstance(tree, str):
        yield keys, tree
    for key, branch in tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ():
        yield from texts(branch, (*keys, key))


def changed(tree: Any, keys: tuple, text: str) -> Any:
    """A copy of a tree with another text at these keys."""
    if not keys:
        return text
    copy = {**tree} if isinstance(tree, dict) else [*tree]
    copy[keys[0]] = changed(tree[keys[0]], keys[1:], text)
    return copy


def instance(kind: type[T], arguments: Any) -> T:
    """The object of a class of these arguments. Raises an error of any kind where they do not fit it."""
    check_texts(arguments)  # jsonargparse reads YAML in texts as they come
    parser, name = ArgumentParser(exit_on_error=False), kind.__name__.lower()
    parser.add_class_arguments(kind, name)
    given = {name: arguments} if arguments else {}
    check_quoted(given, parser.parse_object)
    return parser.instantiate(parser.parse_object(given))[name]
