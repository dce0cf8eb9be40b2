"""Does a run by two processes of torchrun come out as that of one?

python scripts/studies/two_ranks.py        paired seeds -> results/two_ranks.json, .md    about 15 minutes on two cores

FM-GAN + SNTG and Pi + SNTG on digits with 20 labels: by one process, by two that share pairs and batch statistics, and by two that keep
to their own. Finished runs are only read.
"""

import argparse
import subprocess
import sys

from gan_sntg.errors import InputError
from gan_sntg.experiments.search import RESULTS, RUNS, machine, paired, run_script, summary, write
from gan_sntg.runs.folder import RunFolder

CONFIGS = ["fm_gan", "pi_model"]
TWO = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
OWN = ["--batch_statistics", "rank"]
BASE = "one process"
WAYS = {BASE: ([], []), "two ranks": (TWO, []), "two ranks, each for itself": (TWO, OWN)}  # how Python is started, and more options


def trained(config: str, way: str, seed: int) -> dict:
    """The result of a run, trained unless it is there. Raises InputError where training fails."""
    start, more = WAYS[way]
    folder = RunFolder(RUNS / "two_ranks" / config / way.replace(", ", "_").replace(" ", "_") / str(seed))
    if folder.finished:
        return folder.read_result()
    words = ["--config", f"configs/digits_20/{config}.yaml", *f"--seed {seed} --data_seed {seed} --device cpu --out {folder.path}".split()]
    done = subprocess.run([sys.executable, *start, "-m", "gan_sntg", "train", *words, *more], capture_output=True, text=True)
    if done.returncode:
        raise InputError(f"{folder.path} was not trained:\n{done.stderr}")
    return folder.read_result()


def row(results: list[dict], base: list[dict]) -> dict:
    """Errors of the averaged weights, and the difference from those of one process."""
    errors, others = ([r["test_error_averaged"] for r in found] for found in (results, base))
    return {"errors": errors} | summary(errors) | {"minus_base": paired(others, errors)}


def markdown(rows: dict[str, dict[str, dict]], seeds: int) -> str:
    """A line for each configuration and way."""
    lines = [f"| digits, 20 labels, {seeds} seeds, averaged weights | test error, % | minus {BASE}, 95 % interval |"]
    lines.append("| --- | --- | --- |")
    for config, ways in rows.items():
        for way, r in ways.items():
            low, high = r["minus_base"]["interval"]
            difference = "" if way == BASE else f"{r['minus_base']['mean']:+.2f} ({low:+.2f} to {high:+.2f})"
            lines.append(f"| {config}, {way} | {r['mean']:.2f} ± {r['std']:.2f} | {difference} |")
    return "\n".join(lines) + "\n"


def main(words: list[str]) -> None:
    """Train all, in turns, and write both files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args(words)
    results = {config: {way: [] for way in WAYS} for config in CONFIGS}
    for config in CONFIGS:
        for seed in range(options.seeds):
            for way in WAYS:
                results[config][way].append(trained(config, way, seed))
                print(config, way, seed, results[config][way][-1]["test_error_averaged"], flush=True)
    rows = {config: {way: row(found, ways[BASE]) for way, found in ways.items()} for config, ways in results.items()}
    command = f"python scripts/studies/two_ranks.py --seeds {options.seeds}"
    write("two_ranks", {"command": command, "figure": "test error, %, averaged weights"} | machine() | {"rows": rows})
    (RESULTS / "two_ranks.md").write_text(markdown(rows, options.seeds))
    print(markdown(rows, options.seeds))


if __name__ == "__main__":
    run_script(main)
