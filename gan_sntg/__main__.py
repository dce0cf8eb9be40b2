"""The command: dispatch of the subcommands; errors of input end here, in one message."""

import sys
from importlib import import_module

from jsonargparse import Namespace

from gan_sntg import __version__
from gan_sntg.distributed.process_group import launched, said_once
from gan_sntg.errors import (
    ElsewhereError,
    InputError,
    LostOutputError,
    LostRankError,
    NonFiniteError,
    StoppedError,
    UnhealthyError,
    advice_to_readers,
)
from gan_sntg.files.import_paths import allow
from gan_sntg.files.output import lasting_messages, lasting_output

COMMANDS = "train", "reproduce", "tune", "evaluate", "compare", "predict", "sample", "export", "splits", "graph", "doctor", "bench"
WORDS = {InputError: "error: ", NonFiniteError: "stopped: ", LostRankError: "stopped: ", UnhealthyError: "unhealthy: ", StoppedError: ""}
ALLOW = "  --allow PACKAGE, after any command, admits classes of a package of your own that configurations and run folders name"


def main(argv: list[str] | None = None) -> int:
    """Run one subcommand; return its exit status.

    0: done; 1: training or a check failed, or whoever read the output, such as `head`, is gone; 2: invalid input; 75: stopped by a signal
    or --max_minutes; 130: interrupted.
    """
    words = sys.argv[1:] if argv is None else argv
    with lasting_messages():
        try:
            with lasting_output():
                return dispatch(words)
        except LostOutputError as error:
            if str(error):
                print(f"gan-sntg {words[0]}: stopped: {error}", file=sys.stderr)
            return 1


def dispatch(argv: list[str]) -> int:
    """Run one subcommand; report an error of input in one message."""
    if not argv or argv[0] not in COMMANDS:
        return _usage(argv)
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


def _usage(argv: list[str]) -> int:
    if argv[:1] == ["--version"]:
        print(__version__)
        return 0
    first = [(import_module(f"gan_sntg.commands.{name}").__doc__ or "").splitlines()[0] for name in COMMANDS]
    lines = [f"  {name:9} {line}" for name, line in zip(COMMANDS, first, strict=True)]
    text = "\n".join(["usage: gan-sntg COMMAND ...  (gan-sntg COMMAND --help says more)", "", *lines, "", ALLOW])
    if argv[:1] in (["-h"], ["--help"]):
        print(text)
        return 0
    print(text if not argv else f"gan-sntg: error: there is no command {argv[0]!r}\n{text}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    raise SystemExit(main())
