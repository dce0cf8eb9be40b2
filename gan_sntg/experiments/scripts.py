"""Command line, result files and machine of the project's scripts."""

import json
import sys
from argparse import ArgumentParser
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from jsonargparse import auto_cli

from gan_sntg.errors import InputError, UnhealthyError
from gan_sntg.networks.passes import processor
from gan_sntg.runs.parsing import Parser

RESULTS = Path("results")


def run_script(main: Callable[..., None], parser: ArgumentParser | None = None) -> None:
    """Call a script's main with the options of the parser, by default those of its signature.

    Bad input ends in one message and status 2, as in the commands, and a failed check in status 1.
    """
    try:
        if parser:
            main(**vars(parser.parse_args()))
        else:
            auto_cli(main, args=sys.argv[1:], description=main.__globals__["__doc__"], parser_class=Parser)
    except (InputError, OSError, UnhealthyError) as error:
        print(f"{Path(sys.argv[0]).name}: error: {error}", file=sys.stderr)
        sys.exit(1 if isinstance(error, UnhealthyError) else 2)


def machine(threads: int = 1) -> dict:
    """The machine that figures are measured on, and the CPU threads of a run."""
    used = "one CPU thread a run" if threads == 1 else f"{threads} CPU threads"
    return {"machine": f"{processor()}, {used}", "torch": version("torch")}


def write_results(name: str, made: dict, table: str | None = None, folder: Path = RESULTS) -> None:
    """Write <folder>/<name>.json and, where there is a table, .md, and print it."""
    (folder / f"{name}.json").write_text(json.dumps(made, indent=1) + "\n")
    if table is not None:
        (folder / f"{name}.md").write_text(table + "\n")
        print(table)
