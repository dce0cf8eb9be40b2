"""The command `gan-sntg`: version, list of commands, completion in shells, and the start of one."""

import sys
from importlib import import_module
from pathlib import Path

from gan_sntg import __version__
from gan_sntg.errors import LostOutputError
from gan_sntg.files.output import lasting_messages, lasting_output

COMMANDS = "train", "reproduce", "tune", "evaluate", "compare", "predict", "sample", "export", "splits", "graph", "doctor", "bench"
ALLOW = "  --allow PACKAGE, after any command, admits classes of a package of your own that configurations and run folders name"

COMPLETION = "  --completion SHELL prints what completes commands, options and files in a shell, such as bash"


def main(argv: list[str] | None = None) -> int:
    """Run one subcommand; return its exit status.

    argv: its words; None: those of the process, which then keeps freed memory for later tensors.

    0: done; 1: training or a check failed, or whoever read the output, such as `head`, is gone; 2: invalid input; 75: stopped by a signal
    or --max_minutes; 130: interrupted.
    """
    words = sys.argv[1:] if argv is None else argv
    with lasting_messages():
        try:
            with lasting_output():
                if not words or words[0] not in COMMANDS:
                    return _usage(words)
                if argv is None:  # the process is its own
                    import_module("gan_sntg.files.memory").reuse_memory()
                return import_module("gan_sntg.commands").dispatch(words)
        except LostOutputError as error:
            if str(error):
                print(f"gan-sntg {words[0]}: stopped: {error}", file=sys.stderr)
            return 1


def _usage(argv: list[str]) -> int:
    if argv[:1] == ["--version"]:
        print(__version__)
        return 0
    if argv[:1] == ["--completion"]:
        return import_module("gan_sntg.commands").completion(argv[1:], {name: _first_line(name) for name in COMMANDS})
    lines = [f"  {name:9} {_first_line(name)}" for name in COMMANDS]
    text = "\n".join(["usage: gan-sntg COMMAND ...  (gan-sntg COMMAND --help says more)", "", *lines, "", ALLOW, COMPLETION])
    if argv[:1] in (["-h"], ["--help"]):
        print(text)
        return 0
    print(text if not argv else f"gan-sntg: error: there is no command {argv[0]!r}\n{text}", file=sys.stderr)
    return 2


def _first_line(command: str) -> str:
    """That of a command's docstring, read from its file: to import all of them takes seconds."""
    file = Path(__file__).parent / "commands" / f"{command}.py"
    return file.read_text(encoding="utf-8").partition("\n")[0].strip('"')


if __name__ == "__main__":
    raise SystemExit(main())
