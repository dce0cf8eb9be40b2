"""How are options chosen? Trials of each row on validation images; what was tried and chosen is kept in results/<name>_search.json."""

import argparse
from dataclasses import dataclass, field

from gan_sntg.commands.comparison import RUNS, read, write
from gan_sntg.commands.study import Trial, arguments, machine, tune


@dataclass(frozen=True)
class Search:
    """The rows whose options are searched; runs go to runs/<name>/search.

    script: scripts/<script>.py; rows: the words of `gan-sntg train` by row; trials: by row, on top of the row's words and `words`; stages:
    seeds of the search, for rows that have none of their own in `longer`.
    """

    script: str
    name: str
    rows: dict[str, list[str]]
    trials: dict[str, list[Trial]]
    stages: list[range]
    longer: dict[str, list[range]] = field(default_factory=dict)
    words: list[str] = field(default_factory=list)

    def run(self, rows: list[str], processes: int) -> None:
        """Tune these rows, and record every trial; rows without trials are left as configured."""
        found = read(f"{self.name}_search") | {"figure": "validation error, %, averaged weights"} | machine()
        for row in (row for row in rows if row in self.trials):
            tuned = tune(
                RUNS / self.name / "search" / row,
                self.trials[row],
                lambda trial, row=row: [*self.rows[row], *self.words, *arguments(trial)],
                self.longer.get(row, self.stages),
                processes,
            )
            found[row] = {"command": f"python scripts/{self.script}.py search --methods {row}"} | tuned
            write(f"{self.name}_search", found)
            print(row, tuned["chosen"], f"{tuned['trials'][0]['mean']:.2f} %", flush=True)

    def main(self, doc: str) -> None:
        """Do what the command line says."""
        parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
        parser.add_argument("what", choices=["search"])
        rows = list(self.rows)
        parser.add_argument("--methods", nargs="+", choices=rows, default=rows, metavar="ROW", help="rows to search anew; all else stays")
        parser.add_argument("--processes", type=int, default=2, help="runs at once, of one thread each")
        options = parser.parse_args()
        self.run(options.methods, options.processes)
