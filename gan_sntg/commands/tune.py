"""Choose options on validation images: studies of a search space, by Optuna."""

import json
import shlex
import time
from contextlib import ExitStack
from math import inf
from pathlib import Path

from jsonargparse import Namespace
from jsonargparse.typing import NonNegativeInt, PositiveInt

from gan_sntg.commands.reproduce import GridParser, Interrupts
from gan_sntg.errors import StoppedError, refusing
from gan_sntg.experiments.executors import Limits
from gan_sntg.experiments.scripts import machine
from gan_sntg.experiments.spaces import StudyPlan, load_search, plan_study
from gan_sntg.experiments.tuning import Study
from gan_sntg.files.atomic import check_utf8, one_at_a_time, write_atomically, writing
from gan_sntg.files.import_paths import allow_words
from gan_sntg.files.json_files import read_json
from gan_sntg.runs.parsing import Parser
from gan_sntg.runs.seeds import cores
from gan_sntg.runs.stopping import LATER

SHOWN = 10  # best trials
DESCRIPTION = (
    "Choose options of `gan-sntg train` on validation images, which are held out of training, never on test images: every study of a file "
    "of search spaces (configs/search). Each trial is a run at every seed; trials that are worse than the median of earlier ones end "
    "early. Ended trials are only read, others go on from their checkpoints. Words after -- go to every train."
)
EXAMPLES = """examples:
  gan-sntg tune digits_20 --trials 8
  gan-sntg tune digits_20 --only pi_model --processes 2
"""


def parser() -> Parser:
    """Which search, which of its studies, how many trials, and where."""
    usage = "%(prog)s SEARCH [options] [-- options of `gan-sntg train`]"
    parser = GridParser(prog="gan-sntg tune", usage=usage, description=DESCRIPTION, epilog=EXAMPLES)
    parser.add_argument("search", type=str, help="mnist_50 or another of configs/search, or a YAML file of one")
    parser.add_argument("--only", type=str, nargs="+", default=[], help="studies whose names match, with * and ?")
    parser.add_argument("--trials", type=PositiveInt, default=None, help="of each study; more may be asked for later; default: the file's")
    parser.add_argument("--max_minutes", type=float | None, default=None, help="save, stop and report in good time before so many are over")
    parser.add_argument("--processes", type=PositiveInt, default=None, help="runs at once on this machine; default: its cores / threads")
    parser.add_argument("--threads", type=PositiveInt, default=1, help="CPU threads of a run, on which its sums depend; part of the study")
    parser.add_argument("--seed", type=NonNegativeInt, default=0, help="of what is proposed; those of the runs are the file's")
    parser.add_argument("--out", type=str | None, default=None, help="folder of studies and runs; default runs/tune/<search>")
    parser.add_argument("--report", type=str | None, default=None, help="folder of <search>.json, with every trial; default OUT")
    return parser


def run(options: Namespace) -> None:
    """Go on with every study, and report."""
    search = load_search(options.search)
    rows = search.chosen(options.only)
    plans = [plan_study(search, row, options.threads, options.words, options.trials, options.seed) for row in rows]
    out = Path(options.out or Path("runs/tune") / search.name)
    check_utf8(out)
    file = Path(options.report or out) / f"{search.name}.json"
    read_report(file)
    limits = Limits(options.threads, inf if options.max_minutes is None else time.time() + 60 * options.max_minutes)
    left = []
    with ExitStack() as held:  # what is refused is refused before hours are spent
        studies = [held.enter_context(Study(plan, out / plan.name)) for plan in plans]
        with writing(file.parent):
            file.parent.mkdir(parents=True, exist_ok=True)
        for study in studies:
            try:
                with Interrupts():
                    if not study.run(limits, options.processes or max(1, cores() // options.threads)):
                        left.append(study.plan.name)
            finally:
                found = {"command": command(options, study.plan)} | machine() | study.report()
                with writing(file), one_at_a_time(file.parent):
                    report = read_report(file) | {study.plan.name: found}  # another command may have written there
                    write_atomically(file, (json.dumps(report, indent=1) + "\n").encode())
                print(table(study.plan, found))
    print(f"report: {file}")
    if left:
        raise StoppedError(f"Time limit reached; {', '.join(left)} not done. Run the same command to resume.", LATER)


def read_report(file: Path) -> dict:
    """What is known of other studies. Raises InputError where the file is no report."""
    if not file.exists():
        return {}
    with refusing(f"{file} cannot be added to", "give another --report, or move it away"):
        found = read_json(file)
        if not isinstance(found, dict) or not all("trials" in study for study in found.values()):
            raise ValueError("it is no report of studies")
        return found


def command(options: Namespace, plan: StudyPlan) -> str:
    """What goes on with the study, wherever it is run."""
    words = ["gan-sntg", "tune", options.search, "--only", plan.name, "--trials", str(plan.trials)]
    words += ["--threads", str(plan.threads)] if plan.threads != 1 else []
    words += ["--seed", str(plan.seed)] if plan.seed else []
    words += allow_words()
    return shlex.join([*words, "--", *options.words] if options.words else words)


def table(plan: StudyPlan, found: dict) -> str:
    """The best trials in Markdown."""
    states = [trial["state"] for trial in found["trials"]]
    counts = ", ".join(f"{states.count(state)} {state}" for state in sorted(set(states)))
    lines = ["", f"{plan.name}: {len(states)} of {max(plan.most, len(states))} trials begun ({counts})", ""]
    lines += [f"| trial | n | {plan.figure.replace('_', ' ')}, % | options |", "| --- | --- | --- | --- |"]
    for trial in [trial for trial in found["trials"] if trial["mean"] is not None][:SHOWN]:
        spread = "" if trial["std"] is None else f" ± {trial['std']:.2f}"
        said = " ".join(f"--{name} {value}" for name, value in trial["options"].items())
        lines.append(f"| {trial['trial']} | {trial['n']} | {trial['mean']:.2f}{spread} | `{said}` |")
    return "\n".join(lines)
