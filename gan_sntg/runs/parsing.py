"""The parser of configuration files and command lines, with import paths checked and short errors."""

import difflib
import inspect
import re
import sys
import traceback
from argparse import SUPPRESS
from collections.abc import Iterable
from pathlib import Path

import yaml
from jsonargparse import ActionConfigFile, ArgumentParser, Namespace, set_dumper, set_loader  # pyright: ignore[reportPrivateImportUsage]

from gan_sntg.errors import InputError, refusing
from gan_sntg.files.import_paths import allowed, refusal
from gan_sntg.files.old_names import modern
from gan_sntg.files.paths import with_home
from gan_sntg.files.yaml_files import ambiguous, check_quoted, check_texts, config_file, dump, load_yaml, value_of
from gan_sntg.runs.help import HelpFormatter, describe, kinds_of

MODE = "decimal"  # jsonargparse's name of our way of reading and writing YAML
set_loader(MODE, value_of, (yaml.YAMLError, ValueError))
set_dumper(MODE, dump)
KEPT = 500  # trees of options that a parser keeps what it made of


class Parser(ArgumentParser):
    """A jsonargparse parser of short InputErrors: the key, what was found, the file, the nearest names."""

    files: tuple[str, ...] = ()  # that were read for what is being parsed

    def __init__(self, *arguments, parser_mode: str = MODE, **named):
        self.parsed: dict[str, Namespace] = {}
        self.described: list[tuple[type, str]] = []  # classes, and the prefix of their arguments
        super().__init__(*arguments, parser_mode=parser_mode, formatter_class=HelpFormatter, **named)

    def add_class_arguments(self, theclass, nested_key=None, *rest, **named):
        """Add the arguments of a class, as jsonargparse does, which `format_help` finds words for."""
        self.described.append((theclass, nested_key or ""))
        return super().add_class_arguments(theclass, nested_key, *rest, **named)

    def format_help(self, *formatter) -> str:
        """The text of --help, of which a class's arguments have their words from its docstrings."""
        for kind, prefix in self.described:
            describe(self._actions, kind, prefix)
            self.usage, self.epilog = SUPPRESS, kinds_of(kind) if inspect.isabstract(kind) else None
        return super().format_help(*formatter)

    def parse_args(self, args: list[str], *rest, **named):
        """Parse, --max-minutes as --max_minutes and files of --config first.

        Raises InputError where YAML in a word has an alias, a key twice or other digits, or is too deep.
        """
        self.files = ()
        for word in args:
            with refusing(f"{word[:40]!r} cannot be read", "give plain values"):
                check_texts(word.partition("=")[2] if word.startswith("--") else word)
        args = [re.sub(r"^--[^=\s]+", lambda key: "--" + key[0][2:].replace("-", "_"), word) for word in args]
        args = [re.sub(r"(^|=)~$", r"\1~/", word) for word in args]  # ~ alone is YAML's null
        args = joined_pairs([re.sub(r"^(--[^=\s]+)=None$", r"\1=null", word) for word in args])  # what jsonargparse makes of a nested null
        if any(isinstance(action, ConfigFile) for action in self._actions):
            args = files_first(args)
        self.check_digits([word for word in args if not word.startswith(("--print_config", "--help"))], *rest)
        return with_home(super().parse_args(args, *rest, **named))

    def parse_object(self, obj: dict | Namespace, *rest, **named) -> Namespace:
        """Parse a tree of options, as jsonargparse does, ~ as the home folder. Raises InputError.

        A tree is parsed once by each parser: jsonargparse asks for that of a nested class again and again.
        """
        key = repr((obj, rest, sorted(named.items()), allowed(), is_lenient()))
        if key not in self.parsed:
            self.check_tree(obj)
            found = with_home(super().parse_object(obj, *rest, **named))
            if "~" in key:  # it hangs on HOME
                return found
            self.parsed = {**dict(list(self.parsed.items())[1 - KEPT :]), key: found.clone()}
        return self.parsed[key].clone()

    def check_tree(self, tree: dict | Namespace, part: bool = False) -> None:
        """Raise InputError where a text is a number in other digits, and its option takes no text."""
        try:
            check_quoted(tree, super().parse_object)
        except InputError:  # what is wrong anyway, or of a part of the options, which may be of a class that another file names
            if not part:
                raise
        except ValueError as error:
            self.error(str(error), error)

    def check_digits(self, args: list[str], *rest) -> None:
        """Raise InputError where a word is a number in other digits, and its option takes no text."""
        found = [k for k, word in enumerate(args) if ambiguous(word.rpartition("=")[2])]
        if found:
            super().parse_args(args, *rest)  # what is wrong anyway
        for k in found:
            try:
                super().parse_args([*args[:k], f"{args[k]} is a text", *args[k + 1 :]], *rest)
            except InputError as error:
                option, number = f"{args[k - 1]} {args[k]}".rpartition("--")[2].replace("=", " ").split(" ", 1)
                said = f"--{option} {number}: to some readers {number} is another number, or a text"
                raise InputError(f"{said}; write it in decimal digits") from error

    def parse_tree(self, tree: dict, file: Path) -> Namespace:
        """The options of a tree that was read from a file, checked as `parse_args` checks files."""
        self.files = (str(file),)
        check_options(tree, file)
        return self.parse_object(tree)

    def objects(self, options: Namespace) -> Namespace:
        """Make the objects; what a constructor raises becomes an InputError that says where."""
        where = origin(map(str, options.get("config") or []))  # jsonargparse takes it out
        try:
            return self.instantiate(options)
        except InputError:
            raise
        except Exception as error:  # a constructor, with whatever a configuration gives it, may fail in any way
            last = traceback.extract_tb(error.__traceback__)[-1]
            reason = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}; {Path(last.filename).name}, line {last.lineno}"
            what = f"the objects of the configuration cannot be made ({reason}){where}"
            raise InputError(f"{what}; give other values, or a machine with more memory") from error

    def error(self, message: str, ex: Exception | None = None):
        """Raise InputError with the message made short."""
        problem, *hints = shorten(message, [name for action in self._actions for name in action.option_strings])
        raise InputError("\n  ".join([problem + origin(self.files), *hints])) from ex


class ConfigFile(ActionConfigFile):
    """--config: a YAML file by its path, or one of the package by its name."""

    def __call__(self, parser, cfg, values, option_string=None):
        """Read the file, once it is checked."""
        file = str(config_file(values))
        parser.files = (*parser.files, file)
        tree = load_yaml(Path(file))
        check_options(tree, file)
        parser.check_tree(tree, part=True)
        super().__call__(parser, cfg, file, option_string)


NEEDY = ArgumentParser()  # whose only option must be given
NEEDY.add_argument("--needed", required=True)


def is_lenient() -> bool:
    """Whether jsonargparse is where it accepts options that are not whole."""
    try:
        NEEDY.validate(Namespace())
    except TypeError:
        return False
    return True


def joined_pairs(args: list[str]) -> list[str]:
    """The words, LOW,HIGH with its option in one where LOW is negative: argparse takes it for an option."""
    found: list[str] = []
    for word in args:
        if re.match(r"-[\d.]+,", word) and found and found[-1].startswith("--") and "=" not in found[-1]:
            found[-1] += f"={word}"
        else:
            found.append(word)
    return found


def files_first(args: list[str]) -> list[str]:
    """The words with each --config and its file in front, so that options win wherever they stand."""
    front, rest, words = [], [], iter(args)
    for word in words:
        name, given, _ = word.partition("=")
        if not ("--config".startswith(name) and name >= "--con"):  # argparse takes a beginning for the whole
            rest.append(word)
        elif given or (following := next(words, None)) is None:
            front.append(word)
        else:
            front += [word, following]
    return front + rest


def origin(files: Iterable[str]) -> str:
    """Where wrong options stand: in these files, or on the command line, which wins."""
    named = " and ".join(files)
    return f" (in {named} or the options beside it)" if named else ""


def shorten(message: str, options: list[str]) -> list[str]:
    """The problem behind its keys; then, if there are some, the nearest names."""
    message = re.sub(r"Importing '(\S+)' is not allowed, denied by .*", rf"\1 {refusal()}", message)
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    keys = ".".join(found for line in lines for found in re.findall(r'^Parser key "(.+)":$', line))
    problem = " ".join(line for line in lines if not re.match(r'Parser key "|Problem with given class_path|tip:|nearest:', line))
    problem = without_unions(problem)[:300]
    hints = [line for line in lines if line.startswith("nearest:")] or nearest_names(message, problem, options)
    return [(f"{keys}: " if keys else "") + problem, *hints]


def without_unions(problem: str) -> str:
    """An error about an optional argument without what it says of null."""
    problem = re.sub(r"Does not validate against any of the Union subtypes Subtypes: \[[^]]*\] Errors: - ", "", problem)
    problem = re.sub(r" - Expected a <class 'NoneType'> Given value type: .*?Given value: (?=NestedArg)NestedArg\(.*", "", problem)
    return re.sub(r" - Expected a <class 'NoneType'> Given value type: .*? Given value: (\S+).*", r". Got value: \1", problem)


def nearest_names(message: str, problem: str, options: list[str]) -> list[str]:
    """One line with the names nearest to an unknown one, of the message's class or module; or none."""
    for class_path in re.findall(r"class_path '([\w.]+)'", message):
        options = parameters(class_path)
    for module in re.findall(r"module '([\w.]+)' has no attribute", message):
        options = list(vars(sys.modules.get(module)) if module in sys.modules else [])
    unknown = re.search(r"Option '(\w+)'|arguments: --([\w.]+)|has no attribute '(\w+)'", problem)
    given = next(filter(None, unknown.groups())) if unknown else ""
    near = difflib.get_close_matches(given, [name.lstrip("-") for name in options], n=3)
    return [f"nearest: {', '.join(near)}"] if near else []


def parameters(class_path: str) -> list[str]:
    """Names of the constructor's parameters; none where the class cannot be found."""
    module, _, name = class_path.rpartition(".")
    found = getattr(sys.modules.get(module), name, None)  # a message is no reason to import anything
    return list(inspect.signature(found).parameters) if inspect.isclass(found) else []


def check_options(tree: dict, file: Path | str) -> None:
    """Raise InputError where a file's options name a further file, or have old names."""
    if any(value for key, value in tree.items() if str(key).split(".")[0] == "config"):
        raise InputError(f"{file} names a further config file; put all options into one file")
    if modern(tree) != tree:
        old, new = (yaml.safe_dump(one, sort_keys=False).splitlines() for one in (tree, modern(tree)))
        changed = next((f"{a.strip()!r} is {b.strip()!r} now" for a, b in zip(old, new, strict=False) if a != b), "an option is gone")
        raise InputError(f"{file} is of an earlier version: {changed}; see gan_sntg/files/old_names.py, or start from a file of configs/")
