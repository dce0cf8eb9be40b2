"""What does a table of methods at paired seeds say? Rows searched on validation images, then tabulated on the test images."""

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from gan_sntg.commands.study import Trial, arguments, machine, paired, run_all, summary, tune

RESULTS, RUNS = Path("results"), Path("runs")


@dataclass(frozen=True)
class Comparison:
    """The rows of a table and what is compared; results go to results/<name>.json, .md and results/<name>_search.json, runs to runs/<name>.

    name: also that of the script, scripts/<script>.py; heading: the table's first cell; rows: the words of `gan-sntg train` by row;
    pairs: (a, b) of rows whose difference a - b is shown; seeds: of the table, each that of a run and of its label draw; words: more
    words of each run of the table; trials: of the search by row, on top of the row's words and search_words; stages: seeds of the
    search, for rows that have none of their own in `longer`.
    """

    script: str
    name: str
    heading: str
    rows: dict[str, list[str]]
    pairs: list[tuple[str, str]]
    seeds: range
    words: list[str]
    trials: dict[str, list[Trial]]
    stages: list[range]
    longer: dict[str, list[range]] = field(default_factory=dict)
    search_words: list[str] = field(default_factory=list)

    def command(self, what: str) -> str:
        """That makes all, or one row with --methods."""
        return f"python scripts/{self.script}.py {what}"

    def folder(self, row: str, seed: int) -> str:
        """Of a run of the table."""
        return str(RUNS / self.name / row / str(seed))

    def search(self, rows: list[str], processes: int) -> None:
        """Tune these rows on validation images, and record every trial; rows without trials are left as configured."""
        found = read(f"{self.name}_search") | {"figure": "validation error, %, averaged weights"} | machine()
        for row in (row for row in rows if row in self.trials):
            tuned = tune(
                RUNS / self.name / "search" / row,
                self.trials[row],
                lambda trial, row=row: [*self.rows[row], *self.search_words, *arguments(trial)],
                self.longer.get(row, self.stages),
                processes,
            )
            found[row] = {"command": f"{self.command('search')} --methods {row}"} | tuned
            write(f"{self.name}_search", found)
            print(row, tuned["chosen"], f"{tuned['trials'][0]['mean']:.2f} %", flush=True)

    def table(self, rows: list[str], processes: int) -> None:
        """Run these rows at every seed and record the table; other rows stay as they were recorded."""
        jobs = {self.folder(row, seed): self.at(row, seed) for row in rows for seed in self.seeds}
        results = run_all(jobs, processes)
        methods = read(self.name).get("methods", {}) | {row: self.recorded(row, results) for row in rows}
        methods = {row: methods[row] for row in self.rows if row in methods}
        out = {"command": self.command("table"), "figure": "test error, %"} | machine()
        out |= {"methods": methods, "paired": self.differences({row: m["averaged"]["errors"] for row, m in methods.items()})}
        write(self.name, out)
        (RESULTS / f"{self.name}.md").write_text(self.markdown(out))
        print(self.markdown(out))

    def at(self, row: str, seed: int) -> list[str]:
        """The command line of a run of the table."""
        return [*self.rows[row], *self.words, *f"--seed {seed} --data_seed {seed}".split()]

    def recorded(self, row: str, results: dict[str, dict]) -> dict:
        """Errors and seconds of a row, from results by run folder."""
        found = [results[self.folder(row, seed)] for seed in self.seeds]
        errors = {kind: [r[f"test_error_{kind}"] for r in found] for kind in ("averaged", "last")}
        out = {"command": f"{self.command('table')} --methods {row}"}
        out |= {kind: {"errors": e} | summary(e) for kind, e in errors.items()}
        return out | {"seconds": summary([r["seconds"] for r in found])}

    def differences(self, errors: dict[str, list[float]]) -> dict[str, dict]:
        """Of the pairs whose rows are both there."""
        return {f"{a} - {b}": paired(errors[b], errors[a]) for a, b in self.pairs if a in errors and b in errors}

    def markdown(self, out: dict) -> str:
        """The tables of the README."""
        lines = [f"| {self.heading} | averaged weights, % | last weights, % | s a run, one thread |", "| --- | --- | --- | --- |"]
        for name, m in out["methods"].items():
            averaged, last = (f"{m[kind]['mean']:.2f} ± {m[kind]['std']:.2f}" for kind in ("averaged", "last"))
            lines.append(f"| {name} | {averaged} | {last} | {m['seconds']['mean']:.0f} |")
        lines += ["", "| paired difference | mean | 95 % interval |", "| --- | --- | --- |"]
        for name, d in out["paired"].items():
            lines.append(f"| {name} | {d['mean']:+.2f} | {d['interval'][0]:+.2f} to {d['interval'][1]:+.2f} |")
        return "\n".join(lines) + "\n"

    def main(self, doc: str, after: Callable[[], None] = lambda: None) -> None:
        """Do what the command line says; `after` a table, for its figure."""
        parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
        parser.add_argument("what", choices=["search", "table"])
        rows = list(self.rows)
        parser.add_argument("--methods", nargs="+", choices=rows, default=rows, metavar="ROW", help="rows to make anew; all else stays")
        parser.add_argument("--processes", type=int, default=2, help="runs at once, of one thread each")
        options = parser.parse_args()
        {"search": self.search, "table": self.table}[options.what](options.methods, options.processes)
        if options.what == "table":
            after()


def without_and_with(family: list[str], base: str, suffix: str = "_sntg") -> list[tuple[str, str]]:
    """Pairs: every method to the base, then every method with SNTG to itself without."""
    return [(name, base) for name in family if name != base] + [(name + suffix, name) for name in family]


def read(name: str) -> dict:
    """Results of this name; empty where there are none yet."""
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else {}


def write(name: str, made: dict) -> None:
    """As JSON."""
    (RESULTS / f"{name}.json").write_text(json.dumps(made, indent=1) + "\n")
