"""The commands of `gan-sntg`, one file a word that a user types, and their dispatch."""

import sys
from argparse import ArgumentParser
from importlib import import_module

from jsonargparse import Namespace

from gan_sntg.distributed.process_group import launched, said_once
from gan_sntg.errors import (
    ElsewhereError,
    InputError,
    LostRankError,
    NonFiniteError,
    StoppedError,
    UnhealthyError,
    advice_to_readers,
)
from gan_sntg.files.import_paths import allow
from gan_sntg.files.yaml_files import known_configs
from gan_sntg.runs.help import copy_options

WORDS = {InputError: "error: ", NonFiniteError: "stopped: ", LostRankError: "stopped: ", UnhealthyError: "unhealthy: ", StoppedError: ""}
FOLDERS = {"grid": "grids/", "search": "search/"}  # of configs, in which the names for these options lie


def dispatch(argv: list[str]) -> int:
    """Run the subcommand argv[0]; report an error of input in one message; return the exit status."""
    options = Namespace()
    try:
        with said_once(InputError):
            argv = allow_packages(argv)
            command = import_module(f"gan_sntg.commands.{argv[0]}")  # alone, for a grid starts many processes
            options = command.parser().parse_args(argv[1:])
            if argv[0] != "train" and launched() > 1:
                raise InputError(f"torchrun starts {launched()} processes, but only train shares its work; leave torchrun out")
        command.run(options)
    except ElsewhereError as error:
        return error.status
    except tuple(WORDS) as error:
        word = next(word for kind, word in WORDS.items() if isinstance(error, kind))
        print(f"gan-sntg {argv[0]}: {word}{advice(str(error), options)}", file=sys.stderr)
        return getattr(error, "status", 2 if isinstance(error, InputError) else 1)
    except KeyboardInterrupt:
        print(f"\ngan-sntg {argv[0]}: Interrupted. Run the same command to resume from the last checkpoint.", file=sys.stderr)
        return 130
    return 0


def completion(words: list[str], commands: dict[str, str]) -> int:
    """Print a shell's completion of commands, and return the exit status.

    words: the shell; commands: {name: what it does}. Completed are commands, options, their choices, files, and configurations, grids and
    searches by name; not the arguments of classes, of which there are thousands.
    """
    try:
        import shtab  # noqa: PLC0415
    except ImportError:
        print("gan-sntg --completion: error: shtab is not installed; pip install 'gan-sntg[completion]'", file=sys.stderr)
        return 2
    if len(words) != 1 or words[0] not in shtab.SUPPORTED_SHELLS:
        known = ", ".join(shtab.SUPPORTED_SHELLS)
        print(
            f"gan-sntg --completion: error: {' '.join(words) or 'nothing'} is no shell that is known; give one of {known}", file=sys.stderr
        )
        return 2
    known = known_configs()
    names = {option: [name.removeprefix(folder) for name in known if name.startswith(folder)] for option, folder in FOLDERS.items()}
    names["config"] = [name for name in known if not name.startswith(tuple(FOLDERS.values()))]
    parser = ArgumentParser(prog="gan-sntg")
    parsers = parser.add_subparsers()
    for name, text in commands.items():
        copy_options(import_module(f"gan_sntg.commands.{name}").parser(), parsers.add_parser(name, help=text), shtab.FILE, names)
    print(shtab.complete(parser, words[0]))
    return 0


def advice(text: str, options: Namespace) -> str:
    """A message in a command's own options, where it has --root in place of those of a run."""
    own = options.get(options.get("subcommand") or "", options)
    return advice_to_readers(text, {*vars(own), "allow"}) if "root" in own and "data" not in own else text


def allow_packages(argv: list[str]) -> list[str]:
    """Admit the packages of every --allow; return the other words. Raises InputError."""
    end, rest = argv.index("--") if "--" in argv else len(argv), []
    words = iter(argv[:end])
    for word in words:
        if word == "--allow" or word.startswith("--allow="):
            allow(word.partition("=")[2] or next(words, ""))
        else:
            rest.append(word)
    return rest + argv[end:]
