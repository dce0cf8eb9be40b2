"""Search of options on validation images, and paired comparisons of rows."""

import argparse
import contextlib
import io
import json
import platform
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from importlib.metadata import version
from itertools import product
from multiprocessing import get_context
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import Progress
from scipy.stats import t as student

from gan_sntg.errors import InputError
from gan_sntg.runs.folder import RunFolder
from gan_sntg.runs.seeds import seeds_parser, train_seeds
from gan_sntg.training.method import Method

Trial = dict[str, str]  # values of options, by name

PAPER_NAMES = {"PiModel": "Pi", "TemporalEnsembling": "TempEns", "MeanTeacher": "MT", "FeatureMatchingGAN": "FM-GAN"}


def run_quietly(arguments: list[str]) -> dict:
    """`gan-sntg train` with these arguments on one thread, printing nothing; its result. A finished run folder is only read."""
    torch.set_num_threads(1)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        return train_seeds(seeds_parser().parse_args([*arguments, "--threads", "1"]))[0][1]


def run_all(jobs: dict[str, list[str]], processes: int) -> dict[str, dict]:
    """The result of every job {run folder: arguments}; unfinished folders are resumed."""
    results = {}
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool, Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task("runs", total=len(jobs))
        futures = {pool.submit(run_quietly, [*arguments, "--out", out]): out for out, arguments in jobs.items()}
        for future in as_completed(futures):
            results[futures[future]] = future.result()
            bar.advance(task)
    return {out: results[out] for out in jobs}


def summary(values: list[float]) -> dict:
    """n, mean and sample standard deviation, None of a single value."""
    x = torch.tensor(values, dtype=torch.float64)
    return {"n": len(x), "mean": float(x.mean()), "std": float(x.std()) if len(x) > 1 else None}


def paired(a: list[float], b: list[float]) -> dict:
    """The mean of b - a over pairs, with Student's 95 % interval."""
    d = summary([y - x for x, y in zip(a, b, strict=True)])
    half = float(student.ppf(0.975, d["n"] - 1)) * d["std"] / d["n"] ** 0.5
    return d | {"interval": [d["mean"] - half, d["mean"] + half]}


def machine() -> dict:
    """What figures were measured on."""
    return {"machine": f"{platform.machine()}, one CPU thread a run", "torch": version("torch")}


def grid(options: dict[str, list[str]]) -> list[Trial]:
    """Every combination."""
    return [dict(zip(options, values, strict=True)) for values in product(*options.values())]


def arguments(trial: Trial) -> list[str]:
    """Command-line words of a trial's options of the method; a name may be several joined by commas, as is its value then."""
    words = []
    for names, values in trial.items():
        for name, value in zip(names.split(","), values.split(","), strict=True):
            words += [f"--method.{name}", value]
    return words


def label(trial: Trial) -> str:
    """A folder name."""
    return "-".join(value.replace(",", "_") for value in trial.values())


def tune(folder: Path, trials: list[Trial], words: Callable[[Trial], list[str]], stages: list[range], processes: int) -> dict:
    """Validation errors of every trial at the seeds of the first stage, then of the four best so far at those of each further one.

    words: the command line of a trial; a seed is the run's and that of its label draw. The best mean of the last stage is chosen.
    """
    scores: dict[str, dict[int, float]] = {label(trial): {} for trial in trials}
    for stage, seeds in enumerate(stages):
        trials = sorted(trials, key=lambda trial: mean(scores[label(trial)]))[:4] if stage else trials
        jobs, keys = {}, {}
        for trial, seed in product(trials, seeds):
            out = str(folder / label(trial) / str(seed))
            jobs[out] = [*words(trial), *f"--validation true --interval_epochs 50 --seed {seed} --data_seed {seed}".split()]
            keys[out] = label(trial), seed
        for out, result in run_all(jobs, processes).items():
            key, seed = keys[out]
            scores[key][seed] = result["validation_error"]
    rows = [{"trial": key, "errors": list(found.values())} | summary(list(found.values())) for key, found in scores.items()]
    chosen = min(trials, key=lambda trial: mean(scores[label(trial)]))
    return {"chosen": chosen, "trials": sorted(rows, key=lambda row: (-row["n"], row["mean"]))}


def mean(errors: dict[int, float]) -> float:
    """Over the seeds."""
    return sum(errors.values()) / len(errors)


def finished(run: str) -> RunFolder:
    """The folder of a finished run. Raises InputError where it is none, for a figure of half a run would mislead."""
    folder = RunFolder(Path(run))
    if not folder.finished:
        raise InputError(f"{run} is not the folder of a finished run (no result.json in it); train it to the end first")
    return folder


def title(method: Method) -> str:
    """What a figure calls a method: its name as in the paper, and the weight of SNTG where it has any."""
    name, weight = type(method).__name__, method.sntg.weight if hasattr(method, "sntg") else 0
    return PAPER_NAMES.get(name, name) + (f" + SNTG ({weight:g})" if weight else "")


def run_script(main: Callable[[list[str]], None]) -> None:
    """Call a script's main with the words of the command line; bad input ends in one message and status 2, as in the commands."""
    try:
        main(sys.argv[1:])
    except (InputError, OSError) as error:
        print(f"{Path(sys.argv[0]).name}: error: {error}", file=sys.stderr)
        sys.exit(2)


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
