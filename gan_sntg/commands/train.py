"""Train a method on a data set, or resume a run folder; with several seeds, a run of each."""

import hashlib
import json
import sys
from argparse import SUPPRESS
from pathlib import Path

import yaml
from jsonargparse import Namespace

from gan_sntg.commands.building import config_parser, identity, read_run
from gan_sntg.commands.parsing import Parser
from gan_sntg.commands.seeds import spread
from gan_sntg.commands.together import Run, train_all
from gan_sntg.core.errors import InputError
from gan_sntg.core.ranks import Alone
from gan_sntg.core.record import RunFolder
from gan_sntg.core.torchrun import started


def parser() -> Parser:
    """The options of a run, and those that stand for several: never in a run's own configuration."""
    parser = config_parser()
    parser.add_argument("--seeds", type=str, default=SUPPRESS, help="a run of each of these in place of --seed: 0..9, or 0,3,5")
    parser.add_argument("--data_seeds", type=str, default=SUPPRESS, help="with --seeds, as many, each run's own in place of --data_seed")
    return parser


def run(options: Namespace) -> list[dict]:
    """Train to the end and print what came out; returns the result of each run."""
    with started(options.pair_scope, options.batch_statistics) as team:
        with team.agreed():
            runs = [prepared(own) for own in spread(options)]
            check_shared(team, options, len(runs))
            unfinished = [run for run in runs if not run.folder.finished]
        try:
            train_all(unfinished, team)
        finally:
            for run in runs:
                run.folder.release()
        results = [run.folder.read_result() for run in runs]
    for run, result in zip(runs, results, strict=True):
        if team.first:
            report(run.folder, result)
    return results


def check_shared(team: Alone, options: Namespace, runs: int) -> None:
    """Raise InputError where several processes cannot share what is asked for."""
    if team.world > 1 and runs > 1:
        raise InputError(
            f"torchrun's {team.world} processes train one run, but --seeds asks for {runs}; start a command for each, with --seed"
        )
    if team.world > 1 and options.compile:
        raise InputError("passes that wait for other processes are not compiled; with torchrun leave --compile out")


def prepared(options: Namespace) -> Run:
    """A run with its folder, in which there is nothing else. Raises InputError; writes nothing."""
    text = config_parser().dump(options, skip_unset=False)
    folder = RunFolder(Path(options.out or default_folder(options, text)))
    if folder.config.exists():
        check_same(folder, text)
    else:
        folder.check_unused()
    return Run(folder, options, text)


def default_folder(options: Namespace, text: str) -> str:
    """runs/<cell>-<method>-seed<seed>-<hash of all options>."""
    digest = hashlib.sha256(json.dumps(identity(yaml.safe_load(text)), sort_keys=True).encode()).hexdigest()[:8]
    file = Path(str(options.config[0])) if options.config else Path("run/options")
    return f"runs/{file.resolve().parent.name}-{file.stem}-seed{options.seed}-{digest}"


def check_same(folder: RunFolder, text: str) -> None:
    """Raise InputError unless the folder was made by the same options; one that is newer than the folder counts as its default."""
    parser, options = read_run(folder.path)
    before, now = (flat(identity(yaml.safe_load(t))) for t in (parser.dump(options, skip_unset=False), text))
    changed = [f"{k}: {before.get(k)} there, {now.get(k)} here" for k in sorted(before | now) if before.get(k) != now.get(k)]
    if changed:
        what = "; ".join(changed[:3])
        raise InputError(f"{folder.path} holds a run of another configuration ({what}); nothing was changed. Give another --out")


def flat(tree, prefix: str = "") -> dict[str, str]:
    """{"a.b": value} of a tree of mappings."""
    if not isinstance(tree, dict):
        return {prefix: str(tree)}
    return {k: v for name, branch in tree.items() for k, v in flat(branch, f"{prefix}.{name}".lstrip(".")).items()}


def report(folder: RunFolder, result: dict) -> None:
    """Print a finished run's errors and where its things are."""
    print(f"test error: {result['test_error_last']:.2f} % (last weights), {result['test_error_averaged']:.2f} % (averaged weights)")
    if result["validation_error"] is not None:
        print(f"validation error: {result['validation_error']:.2f} % (averaged weights)")
    grids = sorted(folder.samples.glob("epoch_*.png"))
    if grids:
        print(f"sample grid: {grids[-1]}")
    print(f"run folder: {folder.path} ({result['seconds']:.0f} s of training)")
    print(f"TensorBoard: {Path(sys.executable).parent / 'tensorboard'} --logdir {folder.path.parent}")
