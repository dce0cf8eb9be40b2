"""How are many runs made, compared and shown? Processes of one thread each, finished runs skipped, paired statistics, names for figures."""

import contextlib
import io
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
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

PAPER_NAMES = {"PiModel": "Pi", "TemporalEnsembling": "TempEns", "MeanTeacher": "MT", "FeatureMatchingGAN": "FM-GAN"}


def run_quietly(arguments: list[str]) -> dict:
    """`gan-sntg train` with these arguments on one thread, printing nothing; its result. A finished run folder is only read."""
    torch.set_num_threads(1)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        return train.run(train.parser().parse_args([*arguments, "--threads", "1"]))


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
    """n, mean and sample standard deviation."""
    x = torch.tensor(values, dtype=torch.float64)
    return {"n": len(x), "mean": float(x.mean()), "std": float(x.std())}


def paired(a: list[float], b: list[float]) -> dict:
    """The mean of b - a over pairs, with Student's 95 % interval."""
    d = summary([y - x for x, y in zip(a, b, strict=True)])
    half = float(student.ppf(0.975, d["n"] - 1)) * d["std"] / d["n"] ** 0.5
    return d | {"interval": [d["mean"] - half, d["mean"] + half]}


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
