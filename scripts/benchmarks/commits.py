"""Time steps of an earlier commit and of this checkout, taking turns.

python scripts/benchmarks/commits.py EARLIER [--turns 15] [--only "MNIST*"] -> results/commits_speed.json, .md      half an hour

For each case a process of each commit holds the networks and random images, and takes steps with two threads when it is its turn, a second
or more each, after one that does not count. A case is a configuration with the options below; what only the newer commit has, it gets as
well. Ratios are of neighbouring turns: their median, and their quartiles. The last table compares ways of the newer commit with each other.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from gan_sntg.errors import InputError, UnhealthyError
from gan_sntg.experiments.report import markdown_table
from gan_sntg.experiments.scripts import RESULTS, machine, run_script, write_results
from gan_sntg.files.json_files import read_json

ROOT = Path(__file__).parents[2]
MEASURED = "gan_sntg", "discriminative", "configs"
TURNS = ROOT / "scripts/benchmarks/turns.py"


class Case(NamedTuple):
    """A configuration, and how the step of each commit is made.

    old_words, new_words: options of bench; old_way, new_way: names of the ways that are compared; options: replace the configuration's own;
    newer: replace those of the newer commit's alone.
    """

    config: str
    old_words: str = "--precision bfloat16"
    new_words: str = "--precision bfloat16"
    old_way: str = "bfloat16"
    new_way: str = "bfloat16"
    options: dict = {}
    newer: dict = {}


TWO_STREAMS = {"batch_size": 50, "labeled_batch_size": 50, "method.init_args.stream": "two"}
THIRTEEN = {"old_words": "--precision float32", "new_words": "--precision float32 bfloat16 --plain true", "old_way": "float32"}
THIRTEEN |= {"new_way": "float32", "options": TWO_STREAMS, "newer": {"method.init_args.targets_for": "needed"}}
COMPILED = {"new_words": "--precision bfloat16 --compile true --noise table", "new_way": "bfloat16 compiled table"}
DERIVATIVES = {"newer": {"method.init_args.probe": "derivatives"}}
CASES = {
    "Pi, 13 layers, 50 + 50 images": Case("cifar10_4000_aug/pi_model", **THIRTEEN),
    "mean teacher, 13 layers, 50 + 50 images": Case("svhn_1000_aug/mean_teacher", **THIRTEEN),
    "MNIST, FM-GAN": Case("mnist_100/fm_gan", **COMPILED),
    "MNIST, FM-GAN, no options": Case("mnist_100/fm_gan"),
    "CIFAR-10, VAT + entropy": Case("cifar10_4000_aug/vat_ent", **DERIVATIVES),
    "10,000 images of MNIST, VAT + entropy": Case("mnist10k_100/vat_ent", **DERIVATIVES),
}


def written(name: str, options: dict, folder: Path) -> Path:
    """A file of the configuration with some of its values replaced."""
    values = yaml.safe_load((ROOT / "configs" / f"{name}.yaml").read_text())
    for path, value in options.items():
        *parents, last = path.split(".")
        place = values
        for key in parents:
            place = place[key]
        place[last] = value
    file = folder / f"{name.replace('/', '-')}.yaml"
    file.write_text(yaml.safe_dump(values))
    return file


class Side:
    """A commit's process, with a case's ways made ready."""

    def __init__(self, place: Path, words: str, config: Path):
        common = "--synthetic --naive false --device cpu --threads 2".split()
        process = [sys.executable, str(TURNS), "--config", str(config), *words.split(), *common]
        self.process = subprocess.Popen(
            process, cwd=place, env=os.environ | {"PYTHONPATH": str(place)}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.place = place
        self.ways: list[str] = self.answer()

    def ask(self, kind: str, way: str, amount: float) -> Any:
        """Seconds of a step, by turns of so many seconds, or ms by part, over so many steps."""
        assert self.process.stdin is not None
        print(json.dumps([kind, way, amount]), file=self.process.stdin, flush=True)
        return self.answer()

    def answer(self) -> Any:
        """The next line of the process. Raises UnhealthyError where it has ended."""
        assert self.process.stdout is not None
        if not (line := self.process.stdout.readline()):
            raise UnhealthyError(f"the process in {self.place} ended with status {self.process.wait()}; its last lines say why")
        return json.loads(line)

    def end(self) -> None:
        """Let it end."""
        self.process.communicate("")


def compared(case: Case, old: Path, folder: Path, turns: int, seconds: float) -> dict:
    """Seconds a step by side and way, a number a turn; and ms by part of the way that is compared."""
    found: dict = {"seconds": {"old": {}, "new": {}}, "parts": {}}
    sides = {}
    for side, place, words, more in ("old", old, case.old_words, {}), ("new", ROOT, case.new_words, case.newer):
        (own := folder / side).mkdir(exist_ok=True)
        sides[side] = Side(place, words, written(case.config, case.options | more, own))
    for turn in range(-1, turns):  # the first does not count
        for side, running in sides.items():
            for way in running.ways:
                took = running.ask("time", way, seconds)
                found["seconds"][side].setdefault(way, []).extend([took] if turn >= 0 else [])
    for side, way in ("old", case.old_way), ("new", case.new_way):
        found["parts"][side] = sides[side].ask("parts", way, 5)
        sides[side].end()
    return found


def tables(found: dict) -> str:
    """Both tables of the cases that were measured."""
    rows, beside = [], []
    for name, one in found.items():
        case, new = CASES[name], one["seconds"]["new"]
        sides = one["seconds"]["old"][case.old_way], new[case.new_way]
        parts = one["parts"]["new"]
        ms = [f"{1e3 * statistics.median(seconds):,.1f}" for seconds in sides]
        rows.append([name, case.new_way, *ms, ratio(*sides), f"{100 * parts.get('graph loss', 0) / sum(parts.values()):.1f}"])
        if "plain layers" in new:
            beside.append([name, ratio(min(new["float32"], new["plain layers"], key=statistics.median), new["bfloat16"])])
    first = markdown_table(
        ["case, with SNTG", "way", "earlier, ms", "newer, ms", "earlier / newer", "graph loss, % of the newer step"], rows
    )
    second = markdown_table(["newer commit", "float32, the faster layout / bfloat16"], beside)
    return f"{first}\n\n{second}" if beside else first


def ratio(above: list[float], below: list[float]) -> str:
    """Median of the turns' ratios, and their quartiles."""
    ratios = [a / b for a, b in zip(above, below, strict=True)]
    low, middle, high = statistics.quantiles(ratios, n=4, method="inclusive")
    return f"{middle:.2f} ({low:.2f} to {high:.2f})"


def main(earlier: str, turns: int = 15, only: str = "*", seconds: float = 1.0) -> None:
    """Measure the cases and write both files; cases that an earlier start measured stay.

    earlier: a commit; turns: of both, at least 2; only: a pattern of names of cases; seconds: least length of a turn, but for one step.
    """
    if not (names := [name for name in CASES if fnmatchcase(name, only)]):
        raise InputError(f"--only {only} names no case; there are {', '.join(CASES)}")
    if turns < 2:
        raise InputError(f"--turns is {turns}; give at least 2")
    revisions = [revision(earlier), revision("HEAD")]
    if subprocess.run(["git", "diff", "--quiet", "HEAD", "--", *MEASURED], cwd=ROOT, check=False).returncode:
        raise InputError(
            f"{', '.join(MEASURED)} differ from this checkout's commit, which results name; commit them, or use a clean checkout"
        )
    file = RESULTS / "commits_speed.json"
    kept = read_json(file) if file.exists() else {}
    found = kept.get("cases", {}) if kept.get("commits") == revisions else {}
    with tempfile.TemporaryDirectory() as folder:
        (old := Path(folder) / "earlier").mkdir()
        archive = subprocess.run(["git", "archive", revisions[0]], cwd=ROOT, capture_output=True, check=True).stdout
        subprocess.run(["tar", "-x"], cwd=old, input=archive, check=True)
        for name in names:
            command = f"python scripts/benchmarks/commits.py {revisions[0][:7]} --turns {turns} --seconds {seconds:g}"
            about = {"command": command} | machine(2)
            found[name] = about | compared(CASES[name], old, Path(folder), turns, seconds)
            commands = "; ".join(dict.fromkeys(f"`{one['command']}`, {one['machine']}, PyTorch {one['torch']}" for one in found.values()))
            heading = f"Newer commit {revisions[1][:7]}; {commands}"
            write_results("commits_speed", {"commits": revisions, "cases": found}, f"{heading}\n\n{tables(found)}")


def revision(name: str) -> str:
    """The commit's hash. Raises InputError where there is none."""
    words = ["git", "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}"]
    found = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    if found.returncode:
        raise InputError(f"{name} is no commit of this repository")
    return found.stdout.strip()


if __name__ == "__main__":
    run_script(main)
