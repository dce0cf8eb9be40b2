"""What does a table of rows at paired seeds say that is none of the paper's (those are grids), such as of one method in two precisions?"""

import json
from dataclasses import dataclass
from pathlib import Path

from gan_sntg.commands.study import machine, paired, run_all, summary

RESULTS, RUNS = Path("results"), Path("runs")


@dataclass(frozen=True)
class Comparison:
    """The rows of a table and what is compared; results go to results/<name>.json, .md, runs to runs/<name>.

    script: scripts/<script>.py; heading: the table's first cell; rows: the words of `gan-sntg train` by row; pairs: (a, b) of rows whose
    difference a - b is shown; seeds: of the table, each that of a run and of its label draw; words: more words of each run.
    """

    script: str
    name: str
    heading: str
    rows: dict[str, list[str]]
    pairs: list[tuple[str, str]]
    seeds: range
    words: list[str]

    @property
    def command(self) -> str:
        """That makes it."""
        return f"python scripts/{self.script}.py"

    def folder(self, row: str, seed: int) -> str:
        """Of a run of the table."""
        return str(RUNS / self.name / row / str(seed))

    def table(self, processes: int) -> None:
        """Run every row at every seed and record the table."""
        results = run_all({self.folder(row, seed): self.at(row, seed) for row in self.rows for seed in self.seeds}, processes)
        methods = {row: self.recorded(row, results) for row in self.rows}
        out = {"command": self.command, "figure": "test error, %"} | machine() | {"methods": methods}
        out |= {"paired": self.differences({row: m["averaged"]["errors"] for row, m in methods.items()})}
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
        out = {kind: {"errors": e} | summary(e) for kind, e in errors.items()}
        return out | {"seconds": summary([r["seconds"] for r in found])}

    def differences(self, errors: dict[str, list[float]]) -> dict[str, dict]:
        """Of each pair."""
        return {f"{a} - {b}": paired(errors[b], errors[a]) for a, b in self.pairs}

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


def read(name: str) -> dict:
    """Results of this name; empty where there are none yet."""
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else {}


def write(name: str, made: dict) -> None:
    """As JSON."""
    (RESULTS / f"{name}.json").write_text(json.dumps(made, indent=1) + "\n")
