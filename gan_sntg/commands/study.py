"""How are many runs made, tuned, compared and shown? Processes of one thread each, finished runs skipped, paired statistics, names."""

import contextlib
import io
import platform
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from importlib.metadata import version
from itertools import product
from multiprocessing import get_context
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import Progress
from scipy.stats import t as student

from gan_sntg.commands import train
from gan_sntg.core.engine import Method
from gan_sntg.core.errors import InputError
from gan_sntg.core.record import RunFolder

Trial = dict[str, str]  # values of options, by name

PAPER_NAMES = {"PiModel": "Pi", "TemporalEnsembling": "TempEns", "MeanTeacher": "MT", "FeatureMatchingGAN": "FM-GAN"}


def run_quietly(arguments: list[str]) -> dict:
    """`gan-sntg train` with these arguments on one thread, printing nothing; its result. A finished run folder is only read."""
    torch.set_num_threads(1)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        return train.run(train.parser().parse_args([*arguments, "--threads", "1"]))[0]


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
    name, weight = type(method).__name__, getattr(method, "graph_weight", 0)
    return PAPER_NAMES.get(name, name) + (f" + SNTG ({weight:g})" if weight else "")


def run_script(main: Callable[[list[str]], None]) -> None:
    """Call a script's main with the words of the command line; bad input ends in one message and status 2, as in the commands."""
    try:
        main(sys.argv[1:])
    except (InputError, OSError) as error:
        print(f"{Path(sys.argv[0]).name}: error: {error}", file=sys.stderr)
        sys.exit(2)
