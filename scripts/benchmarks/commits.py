"""Time steps of an earlier commit and of this checkout, taking turns.

python scripts/benchmarks/commits.py EARLIER [--rounds 3] [--only "MNIST*"] -> results/commits_speed.json, .md     an hour, two idle cores

Each round runs `gan-sntg bench` on random images once in a copy of the earlier commit and once here, both with two threads. A case is a
configuration with the options below; what only the newer commit has, it gets as well. Ratios are of the two medians of one round. The last
table compares ways of the newer commit with each other, within one bench.
"""

import copy
import os
import statistics
import subprocess
import sys
import tempfile
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

import yaml

from gan_sntg.errors import InputError, UnhealthyError
from gan_sntg.experiments.report import markdown_table
from gan_sntg.experiments.scripts import RESULTS, run_script, write_results
from gan_sntg.files.json_files import read_json

ROOT = Path(__file__).parents[2]
FLOAT32, BFLOAT16 = "--precision float32", "--precision bfloat16"


class Case(NamedTuple):
    """A configuration and how each commit is timed.

    words: of bench; way: what is compared; options: replace the configuration's own; newer: in the newer commit, these too.
    """

    config: str
    old_words: str
    new_words: str
    old_way: str
    new_way: str
    options: dict = {}
    newer: dict = {}


FIFTY = {"batch_size": 50, "labeled_batch_size": 50}
NEEDED = {"method.init_args.targets_for": "needed"}
THIRTEEN = FLOAT32, "--precision float32 bfloat16 --plain true", "float32", "float32"
VAT = BFLOAT16, BFLOAT16, "bfloat16", "bfloat16"
DERIVATIVES = {"method.init_args.probe": "derivatives"}
CASES = {
    "Pi, 13 layers, 50 + 50 images": Case("cifar10_4000_aug/pi_model", *THIRTEEN, FIFTY | {"method.init_args.stream": "two"}, NEEDED),
    "mean teacher, 13 layers, 50 + 50 images": Case("svhn_1000_aug/mean_teacher", *THIRTEEN, FIFTY, NEEDED),
    "MNIST, FM-GAN": Case("mnist_100/fm_gan", BFLOAT16, f"{BFLOAT16} --compile true --noise table", "bfloat16", "bfloat16 compiled table"),
    "MNIST, FM-GAN, no options": Case("mnist_100/fm_gan", BFLOAT16, BFLOAT16, "bfloat16", "bfloat16"),
    "CIFAR-10, VAT + entropy": Case("cifar10_4000_aug/vat_ent", *VAT, {}, DERIVATIVES),
    "10,000 images of MNIST, VAT + entropy": Case("mnist10k_100/vat_ent", *VAT, {}, DERIVATIVES),
}


def written(name: str, options: dict, folder: Path) -> Path:
    """A file of the configuration with some of its values replaced."""
    values = copy.deepcopy(yaml.safe_load((ROOT / "configs" / f"{name}.yaml").read_text()))
    for path, value in options.items():
        *parents, last = path.split(".")
        place = values
        for key in parents:
            place = place[key]
        place[last] = value
    file = folder / f"{name.replace('/', '-')}.yaml"
    file.write_text(yaml.safe_dump(values))
    return file


def benched(place: Path, words: str, config: Path, seconds: float) -> dict:
    """What bench finds of one configuration in a checkout. Raises UnhealthyError where it fails."""
    out = config.with_suffix(".json")
    common = f"--synthetic --naive false --device cpu --threads 2 --repeats 3 --seconds {seconds}"
    process = [sys.executable, "-m", "gan_sntg", "bench", "--config", str(config), *words.split(), *common.split(), "--out", str(out)]
    ended = subprocess.run(process, cwd=place, env=os.environ | {"PYTHONPATH": str(place)}, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise UnhealthyError(f"bench in {place} ended with status {ended.returncode}: {ended.stderr.strip()[-500:]}")
    found = read_json(out)
    return next(iter(found["configs"].values())) | {"environment": found["environment"]}


def tables(found: dict) -> str:
    """Both tables of the cases that were measured."""
    rows, beside = [], []
    for name, rounds in found.items():
        case = CASES[name]
        old, new = ([one[side]["ways"][way]["median_ms"] for one in rounds] for side, way in (("old", case.old_way), ("new", case.new_way)))
        share = [one["new"]["ways"][case.new_way]["parts_ms"] for one in rounds]
        graph = [100 * parts.get("graph loss", 0) / sum(parts.values()) for parts in share]
        rows.append(
            [
                name,
                case.new_way,
                *(f"{statistics.median(ms):,.1f}" for ms in (old, new)),
                ratio(old, new),
                f"{min(graph):.1f} to {max(graph):.1f}",
            ]
        )
        if "plain layers" in rounds[0]["new"]["ways"]:
            ways = [{way: of["median_ms"] for way, of in one["new"]["ways"].items()} for one in rounds]
            float32 = [min(way["float32"], way["plain layers"]) for way in ways]
            beside.append([name, ratio(float32, [way["bfloat16"] for way in ways])])
    first = markdown_table(
        ["case, with SNTG", "way", "earlier, ms", "newer, ms", "earlier / newer", "graph loss, % of the newer step"], rows
    )
    second = markdown_table(["newer commit", "float32, the faster layout / bfloat16"], beside)
    return f"{first}\n\n{second}" if beside else first


def ratio(above: list[float], below: list[float]) -> str:
    """Median of the rounds' ratios, and their range."""
    ratios = [a / b for a, b in zip(above, below, strict=True)]
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


def main(earlier: str, rounds: int = 3, only: str = "*", seconds: float = 1.0) -> None:
    """Measure the cases and write both files; cases that an earlier start measured stay.

    earlier: a commit; rounds: of both; only: a pattern of names of cases; seconds: least length of a timing.
    """
    if not (names := [name for name in CASES if fnmatchcase(name, only)]):
        raise InputError(f"--only {only} names no case; there are {', '.join(CASES)}")
    commits = [
        subprocess.run(["git", "rev-parse", "--verify", f"{name}^{{commit}}"], cwd=ROOT, capture_output=True, text=True, check=False)
        for name in (earlier, "HEAD")
    ]
    if commits[0].returncode:
        raise InputError(f"{earlier} is no commit of this repository")
    revisions = [commit.stdout.strip() for commit in commits]
    file = RESULTS / "commits_speed.json"
    kept = read_json(file) if file.exists() else {}
    found = kept.get("cases", {}) if kept.get("commits") == revisions else {}
    with tempfile.TemporaryDirectory() as folder:
        old = Path(folder) / "earlier"
        archive = subprocess.run(["git", "archive", revisions[0]], cwd=ROOT, capture_output=True, check=True).stdout
        old.mkdir()
        subprocess.run(["tar", "-x"], cwd=old, input=archive, check=True)
        for name in names:
            case, found[name] = CASES[name], []
            for _ in range(rounds):
                one = {}
                for side, place, words, more in ("old", old, case.old_words, {}), ("new", ROOT, case.new_words, case.newer):
                    own = Path(folder) / side
                    own.mkdir(exist_ok=True)
                    one[side] = benched(place, words, written(case.config, case.options | more, own), seconds)
                found[name].append(one)
                print(
                    name,
                    *(f"{side}: " + ", ".join(f"{way} {of['median_ms']:,.1f} ms" for way, of in one[side]["ways"].items()) for side in one),
                    flush=True,
                )
    torch = found[names[-1]][-1]["new"]["environment"]["packages"]["torch"]
    about = f"`python scripts/benchmarks/commits.py {revisions[0][:7]}`, newer commit {revisions[1][:7]}, two threads, PyTorch {torch}"
    write_results("commits_speed", {"commits": revisions, "cases": found}, f"{about}\n\n{tables(found)}")


if __name__ == "__main__":
    run_script(main)
