"""Studies on validation images: trials that Optuna proposes, each runs of `train`, kept in one file."""

import json
import os
import threading
from math import isfinite
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

import numpy as np
from rich.console import Console

from gan_sntg.errors import InputError, UnhealthyError
from gan_sntg.experiments.executors import Limits, Outcome, Pool
from gan_sntg.experiments.grid import Column, Row
from gan_sntg.experiments.plan import Cell, refusal
from gan_sntg.experiments.spaces import Options, Range, StudyPlan
from gan_sntg.experiments.statistics import summary
from gan_sntg.files.atomic import writing
from gan_sntg.runs.folder import RunFolder
from gan_sntg.runs.stopping import LATER

ALONE = 4  # trials of earlier rounds that must be complete before one is stopped by their median
AT_RANDOM = 10  # trials before TPE proposes by what is known
DIVERGED = "stopped: ", "unhealthy: "  # how `train` begins to say that a term is not finite, or moves nothing
STOPPED = LATER, 130  # statuses of runs that were asked to save and end
ABOUT = "search"  # what the study's file says that it is of


def optuna() -> Any:
    """The library, which is an extra. Raises InputError where it is missing."""
    try:
        import optuna  # noqa: PLC0415  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise InputError("tune needs Optuna; install it with pip install 'gan-sntg[tune]'") from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


class Trial(NamedTuple):
    """One trial: its number, from 0, parameters, and cells, one a seed."""

    number: int
    params: dict[str, Any]
    options: Options
    cells: list[Cell]


class Ended(NamedTuple):
    """How a trial ended.

    state: complete, pruned, failed, or left where it goes on next time; means: mean error over seeds by epoch, as far as counted.
    """

    state: str
    means: dict[int, float]
    errors: list[float]
    message: str = ""


class Study:
    """A study in a folder, which holds Optuna's journal and all runs.

    Trial n is proposed from seed and n, by the trials of earlier rounds alone, and judged by these alone; so neither the number of
    processes nor an end in between, even by SIGKILL, changes what is proposed, or how a trial ends.
    """

    def __init__(self, plan: StudyPlan, folder: Path):
        """Open or begin. Raises InputError where another study is there, or its file is damaged."""
        self.plan, self.folder, self.lib = plan, folder, optuna()
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
        self.lock = RunFolder(folder)
        self.lock.lock()
        try:
            self.study = self.opened(folder / "study.journal")
        except BaseException:
            self.lock.release()
            raise

    def opened(self, journal: Path) -> Any:
        """Optuna's study in this file, but for a last line that is torn. Raises InputError."""
        try:
            if journal.exists() and not (data := journal.read_bytes()).endswith(b"\n"):
                os.truncate(journal, data.rfind(b"\n") + 1)
            storage = self.lib.storages.JournalStorage(self.lib.storages.journal.JournalFileBackend(str(journal), threading.Lock()))
            known = self.lib.get_all_study_names(storage)
            study = (self.lib.load_study if self.plan.name in known else self.lib.create_study)(storage=storage, study_name=self.plan.name)
        except Exception as error:  # whatever its parsing raises
            raise InputError(f"{journal} cannot be read ({' '.join(str(error).split())[:200]}); give another --out") from error
        about = json.loads(json.dumps(self.plan.about))
        before = study.user_attrs.get(ABOUT, about)
        if changed := [name for name in about if before.get(name) != about[name]]:
            raise InputError(
                f"{journal.parent} holds a study with other {', '.join(changed)} ({str(before.get(changed[0]))[:200]} there, "
                f"{str(about[changed[0]])[:200]} here); nothing was changed. Give another --out"
            )
        if ABOUT not in study.user_attrs:
            study.set_user_attr(ABOUT, about)
        return study

    def __enter__(self) -> "Study":
        return self

    def __exit__(self, *_) -> None:
        """Let others go on with it."""
        self.lock.release()

    def begun(self) -> list[Any]:
        """Optuna's record of every trial, by number."""
        return self.study.get_trials(deepcopy=False)

    def earlier(self, first: int) -> list[Any]:
        """The ended trials before the round that begins with `first`."""
        return [trial for trial in self.begun()[:first] if trial.state.is_finished()]

    def snapshot(self, trials: list[Any], number: int = 0) -> Any:
        """A study in memory that knows these trials alone, and proposes as trial `number` of this one."""
        samplers, seed = self.lib.samplers, int(np.random.SeedSequence([self.plan.seed, number]).generate_state(1)[0])
        if self.plan.sampler == "tpe":
            sampler = samplers.TPESampler(seed=seed, n_startup_trials=AT_RANDOM, multivariate=True, constant_liar=True)
        else:
            sampler = samplers.RandomSampler(seed=seed)
        known = self.lib.create_study(sampler=sampler)
        known.add_trials(trials)
        return known

    def propose(self, first: int, number: int) -> None:
        """Write trial `number` of the round that begins with `first` into the journal, whole."""
        kinds = {name: self.distribution(values) for name, values in self.plan.space.dimensions.items()}
        if self.plan.sampler == "grid":
            params = self.plan.space.combinations()[number]
        else:
            going_on = [self.running(record.params, kinds) for record in self.begun()[first:number]]  # whatever they have come to since
            known = self.snapshot([*self.earlier(first), *going_on], number)
            params = known.ask(kinds).params
        self.study.add_trial(self.running(params, kinds))

    def running(self, params: dict[str, Any], kinds: dict[str, Any]) -> Any:
        """Optuna's form of a trial of these params that has not ended."""
        return self.lib.trial.create_trial(state=self.lib.trial.TrialState.RUNNING, params=params, distributions=kinds)

    def distribution(self, values: Range | dict) -> Any:
        """Optuna's form of the values of a dimension."""
        kinds = self.lib.distributions
        if not isinstance(values, Range):
            return kinds.CategoricalDistribution(list(values))
        whole = type(values.low) is type(values.high) is int
        return (kinds.IntDistribution if whole else kinds.FloatDistribution)(values.low, values.high, log=values.log)

    def trial(self, number: int) -> Trial:
        """A proposed trial and its runs."""
        params = self.begun()[number].params
        options = self.plan.space.options(params)
        words, cells = self.plan.trial_words(options), []
        for seed in self.plan.seeds:
            place = self.folder / f"{number:04d}" / str(seed)
            own = Row(f"trial {number}", f"trial {number}"), Column(self.plan.name, self.plan.name)
            cells.append(Cell(*own, seed, place, [*words, "--seed", str(seed), "--data_seed", str(seed)], {}))
        return Trial(number, params, options, cells)

    def run(self, limits: Limits, processes: int) -> bool:
        """Go on until every trial has ended, or the time is over; whether all have.

        Raises InputError where no run could begin, and UnhealthyError where runs were lost, as by a kill or a full disk: the same command
        tries these again.
        """
        console = Console(stderr=True, highlight=False)
        if why := refusal(self.plan.words):
            raise InputError(f"the runs of {self.plan.name} cannot begin, whatever is tried: {why}")
        for first in range(0, self.plan.most, self.plan.round):
            last = min(first + self.plan.round, self.plan.most)
            with writing(self.folder):
                for number in range(len(self.begun()), last):
                    self.propose(first, number)
            left = {number: self.trial(number) for number in range(first, last) if not self.begun()[number].state.is_finished()}
            judge, lost = Judge(self, first, left), []
            with Pool(limits, processes) as pool:
                for number, outcomes in pool.run({number: trial.cells for number, trial in left.items()}, judge.enough):
                    trial = left[number]
                    ended = judge.ended(trial, outcomes)
                    if ended.state == "left":
                        lost += [f"trial {trial.number}: {ended.message}"] if ended.message else []
                        continue
                    with writing(self.folder):
                        self.note(trial, ended)
                    console.print(f"{self.plan.name} {trial_text(trial, ended)}", markup=False, soft_wrap=True)
            if lost:
                raise UnhealthyError("\n  ".join([f"{len(lost)} trials were lost; the same command goes on with them", *lost]))
            if not all(trial.state.is_finished() for trial in self.begun()[first:last]):
                return False
        return True

    def note(self, trial: Trial, ended: Ended) -> None:
        """Write how a trial ended, its means first: a trial is ended only when all of it is written."""
        record, states = self.begun()[trial.number], self.lib.trial.TrialState
        state = {"complete": states.COMPLETE, "pruned": states.PRUNED, "failed": states.FAIL}[ended.state]
        writer = self.lib.trial.Trial(self.study, record._trial_id)
        for epoch in ended.means.keys() - record.intermediate_values.keys():  # some may be there, of a process that was killed
            writer.report(ended.means[epoch], epoch)
        writer.set_user_attr("errors", ended.errors)
        writer.set_user_attr("message", ended.message)
        value = fmean(ended.errors) if ended.state == "complete" else None
        self.study.tell(trial.number, value, state=state)

    def report(self) -> dict:
        """Every trial that was begun, the best first, and the options of the least mean error of all seeds."""
        rows = []
        for record in self.begun():
            options, attrs = self.plan.space.options(record.params), record.user_attrs
            epochs = max(record.intermediate_values, default=None)
            row = {"trial": record.number, "state": record.state.name.lower(), "options": options, "epochs": epochs}
            row |= {"errors": attrs.get("errors", [])} | ({"message": attrs["message"]} if attrs.get("message") else {})
            rows.append(row | (summary(attrs["errors"]) if record.state.name == "COMPLETE" else {"mean": None, "std": None}))
        rows.sort(key=lambda row: (row["mean"] is None, row["mean"], row["trial"]))
        chosen = rows[0]["options"] if rows and rows[0]["mean"] is not None else None
        about = {name: value for name, value in self.plan.about.items() if name != "configuration"}
        about |= {name: value for name, value in self.plan.about["configuration"].items() if name == "metric"}  # where it is not the error
        return {"chosen": chosen, "words": self.plan.words, "optuna": self.lib.__version__} | about | {"trials": rows}


def trial_text(trial: Trial, ended: Ended) -> str:
    """A line for a trial that has ended."""
    said = ", ".join(f"{name.rpartition('.')[2]} {value}" for name, value in trial.options.items())
    result = f"{fmean(ended.errors):.2f} %" if ended.state == "complete" else f"{ended.state}{': ' * bool(ended.message)}{ended.message}"
    return f"trial {trial.number}: {result} ({said})"


class Judge:
    """Decides how a trial ends, by its runs and the trials of earlier rounds alone.

    It ends early where its least mean error so far is above the median of complete trials' errors at the same epoch.
    """

    def __init__(self, study: Study, first: int, trials: dict[int, Trial]):
        """first: the first number of the round; trials: those of it that have not ended."""
        self.trials, self.figure, lib = trials, study.plan.figure, study.lib
        self.create, self.states = lib.trial.create_trial, lib.trial.TrialState
        self.known = study.snapshot(study.earlier(first))
        self.pruner = lib.pruners.MedianPruner(n_startup_trials=ALONE)

    def means(self, trial: Trial) -> dict[int, float]:
        """Mean of the study's figure over all seeds by epoch, as far as all have come."""
        rows, name = [RunFolder(cell.folder).rows() for cell in trial.cells], f"{self.figure}/averaged"
        by_seed = [{row["epoch"]: row[name] for row in of_seed if row.get(name) is not None} for of_seed in rows]
        shared = set.intersection(*map(set, by_seed))
        return {epoch: fmean(errors[epoch] for errors in by_seed) for epoch in sorted(shared)}

    def pruned(self, trial: Trial) -> dict[int, float] | None:
        """The means until the first epoch at which the trial is to be stopped; None: nowhere so far."""
        seen: dict[int, float] = {}
        for epoch, mean in self.means(trial).items():
            seen[epoch] = mean
            if self.pruner.prune(self.known, self.create(state=self.states.RUNNING, intermediate_values=dict(seen))):
                return seen
        return None

    def enough(self, number: int) -> bool:
        """Whether a trial's runs are to be stopped."""
        return self.pruned(self.trials[number]) is not None

    def ended(self, trial: Trial, outcomes: list[Outcome]) -> Ended:
        """How it ended, once no run of it goes on."""
        if (means := self.pruned(trial)) is not None:
            return Ended("pruned", means, [])
        ended = [outcome for outcome in outcomes if outcome.status and outcome.status not in STOPPED]
        lost = [outcome for outcome in ended if not by_itself(outcome)]
        if lost:
            return Ended("left", {}, [], f"status {lost[0].status}: {lost[0].message}"[:300])
        if len(ended) + sum(RunFolder(cell.folder).finished for cell in trial.cells) < len(trial.cells):
            return Ended("left", {}, [])
        if ended:
            return Ended("failed", {}, [], f"status {ended[0].status}: {ended[0].message}"[:300])
        errors = [RunFolder(cell.folder).read_result()[self.figure] for cell in trial.cells]
        if not all(map(isfinite, errors)):
            return Ended("failed", {}, [], f"its {self.figure.replace('_', ' ')} is not finite")
        return Ended("complete", self.means(trial), errors)


def by_itself(outcome: Outcome) -> bool:
    """Whether a run ended by the options that it was given: they diverge or are refused, and would again."""
    if outcome.status == 1:
        log = outcome.cell.folder.with_suffix(".log")
        said = log.read_bytes()[-4000:].decode(errors="replace") if log.is_file() else outcome.message
        return said.rpartition("gan-sntg train: ")[2].startswith(DIVERGED)
    return outcome.status == 2 and refusal(outcome.cell.words) is not None
