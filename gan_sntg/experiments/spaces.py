"""Searches from YAML: options of `train`, the values to try, and the studies that go over them."""

import shlex
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from functools import cached_property
from itertools import chain, product
from math import isfinite, prod
from typing import Any, Literal, NamedTuple

from gan_sntg.errors import InputError
from gan_sntg.experiments.grid import KEY, load_grid, load_table
from gan_sntg.experiments.plan import OWN, configuration, shortened
from gan_sntg.runs.options import metric_of
from gan_sntg.runs.seeds import whole_numbers

Sampler = Literal["tpe", "random", "grid"]
Options = dict[str, str]  # values of options of `train`, by name


class Range(NamedTuple):
    """Numbers low..high, whole where both are, drawn evenly or, with `log`, evenly in their logarithms."""

    low: float
    high: float
    log: bool = False


@dataclass(frozen=True)
class Space:
    """Values to try: a `Range` of an option, or choices by their names, each of one or several options."""

    dimensions: dict[str, Range | dict[str, Options]]

    def options(self, params: dict[str, Any]) -> Options:
        """The options of a trial. params: a number or the name of a choice for every dimension."""
        found = {}
        for name, values in self.dimensions.items():
            found |= {name: text(params[name], values)} if isinstance(values, Range) else values[params[name]]
        return found

    @property
    def names(self) -> list[str]:
        """The options that it sets."""
        return [*dict.fromkeys(option for options in self.covering() for option in options)]

    def covering(self) -> list[Options]:
        """The options of as few trials as hold both ends of every range and every choice."""
        kept = []
        for name, values in self.dimensions.items():
            kept.append([{name: text(end)} for end in values[:2]] if isinstance(values, Range) else [*values.values()])
        return [dict(chain.from_iterable(of[k % len(of)].items() for of in kept)) for k in range(max(map(len, kept)))]

    def combinations(self) -> list[dict[str, Any]]:
        """The params of every trial of choices, the last dimension fastest. Raises InputError for a range."""
        if ranges := [name for name, values in self.dimensions.items() if isinstance(values, Range)]:
            raise InputError(f"a grid tries every value, but {ranges[0]} is a range; give a list of values, or sampler: tpe")
        names = [list(values) for values in self.dimensions.values()]
        return [dict(zip(self.dimensions, chosen, strict=True)) for chosen in product(*names)]

    @property
    def size(self) -> int | None:
        """How many trials there can be; None: no end of them."""
        sizes = [None if isinstance(values, Range) else len(values) for values in self.dimensions.values()]
        return None if None in sizes else prod(size or 0 for size in sizes)


def read_space(tree: dict[str, Any]) -> Space:
    """A space from its YAML. Raises ValueError.

    tree: {option: [values] or {low, high, log}, or a name of its own: {choice: {option: value, ...}, ...}}.
    """
    if not tree:
        raise ValueError("there is nothing to choose from in its space")
    space = Space({name: read_dimension(name, given) for name, given in tree.items()})
    owners: dict[str, str] = {}
    for name, values in space.dimensions.items():
        for option in {name} if isinstance(values, Range) else set().union(*values.values()):
            if owners.setdefault(option, name) != name:
                raise ValueError(f"{option} is set by {owners[option]} and by {name}")
    return space


def read_dimension(name: str, given: Any) -> Range | dict[str, Options]:
    """The values of one name. Raises ValueError."""
    if isinstance(given, list) and given and not any(isinstance(value, list | dict) for value in given):
        if len(set(map(text, given))) < len(given):
            raise ValueError(f"{name} has one value twice: {given}")
        return {text(value): {name: text(value)} for value in given}
    if isinstance(given, dict) and given and all(isinstance(options, dict) for options in given.values()):
        return {str(choice): {option: text(value) for option, value in options.items()} for choice, options in given.items()}
    if not isinstance(given, dict) or not {"low", "high"} <= given.keys() <= {"low", "high", "log"}:
        raise ValueError(f"{name} is neither a list of values, nor low and high, nor choices of several options")
    low, high, log = given["low"], given["high"], given.get("log", False)
    if not all(type(end) in (int, float) and isfinite(end) for end in (low, high)) or not low < high or (log and low <= 0):
        raise ValueError(f"{name} goes from {low!r} to {high!r}; low must be below high, and above 0 for log")
    return Range(low, high, bool(log))


def text(value: Any, of: Range | None = None) -> str:
    """A value as YAML has it: null for None, .inf; of a range, in up to four digits, and within it."""
    if type(value) is not float:
        return "null" if value is None else str(value)
    if of is not None and of.low <= float(f"{value:.4g}") <= of.high:
        value = float(f"{value:.4g}")
    return repr(value).replace("inf", ".inf")


@dataclass(frozen=True)
class SearchedRow:
    """One study: a cell of the search's grid, or a configuration of one's own, and the space to search.

    key: COLUMN/ROW, or ROW where the grid has one column, or any name where there is a `config`; the other fields are of this study
    alone, in place of the search's.
    """

    key: str
    space: dict[str, Any]
    config: str | None = None
    seeds: str | None = None
    sampler: Sampler | None = None
    trials: int | None = None


@dataclass(frozen=True)
class Search:
    """Studies of one file of configs/search.

    options: words of every `train`, after the grid's or configuration's, not scaled; scale: of the length of the schedules there and in
    the space, as of `reproduce`, so that what is chosen is of the full length. trials: by default all of a grid; seeds: of every trial, as
    --seeds has them; round: trials that are proposed at once, from what is known of those of earlier rounds.
    """

    name: str
    rows: dict[str, SearchedRow]
    grid: str | None = None
    options: str = ""
    scale: float = 1.0
    seeds: str = "100..102"
    sampler: Sampler = "tpe"
    trials: int = 20
    round: int = 4

    def __post_init__(self):
        least = min(self.trials, self.round, *(1 if row.trials is None else row.trials for row in self.rows.values()))
        if least < 1 or not 0 < self.scale <= 1:
            raise ValueError("trials and round must be at least 1, and scale in 0..1")
        if missing := [row.key for row in self.rows.values() if row.config is None and self.grid is None]:
            raise ValueError(f"row {missing[0]} has no config, and there is no grid")

    def chosen(self, only: list[str]) -> list[SearchedRow]:
        """The rows whose keys match a pattern, or all. Raises InputError where a pattern matches none."""
        for pattern in only:
            if not any(fnmatch(key, pattern) for key in self.rows):
                raise InputError(f"--only {pattern!r} matches no row of {self.name}; there are {', '.join(self.rows)}")
        return [row for row in self.rows.values() if not only or any(fnmatch(row.key, pattern) for pattern in only)]

    def words(self, row: SearchedRow) -> list[str]:
        """The words of `train` that the grid or the row gives. Raises InputError for an unknown row."""
        if row.config is not None:
            return ["--config", row.config]
        grid = load_grid(self.grid or "")
        found = [cell for name, cell in grid.cells.items() if f"/{name}".endswith(f"/{row.key}")]
        if len(found) != 1:
            raise InputError(f"{self.name}: {row.key} names {len(found)} cells of {self.grid}; name one, as COLUMN/ROW")
        cell, column = found[0]
        return grid.words(replace(cell, tuned=""), column)


def load_search(name: str) -> Search:
    """Read a search of configs/search, or a YAML file of one. Raises InputError."""
    found = load_table(Search, name, "search", "mnist_50", f"({KEY}/)?{KEY}")
    for row in found.rows.values():
        try:
            read_space(row.space)
        except ValueError as error:
            raise InputError(f"{name}, row {row.key}: {error}; configs/search/mnist_50.yaml is one") from error
    return found


@dataclass(frozen=True)
class StudyPlan:
    """What makes a study what it is.

    words: of every `train`, but for the trial's options; threads: of a run; seeds: of runs and label draws; seed: of what is proposed;
    scale: of the lengths that a trial's options set.
    """

    name: str
    words: list[str]
    threads: int
    space: Space
    seeds: list[int]
    sampler: Sampler
    trials: int
    round: int
    seed: int = 0
    scale: float = 1.0

    @cached_property
    def about(self) -> dict:
        """All of it that may not change while the study goes on; the words count by what they stand for."""
        own = {name: getattr(self, name) for name in ("threads", "seeds", "sampler", "round", "seed")}
        own |= {"scale": self.scale} if self.scale != 1 else {}
        dimensions = self.space.dimensions.items()
        space = [[name, values._asdict() if isinstance(values, Range) else [*values.items()]] for name, values in dimensions]
        return {"configuration": configuration(self.words)} | own | {"space": space}

    @property
    def figure(self) -> str:
        """What is minimised, by the runs' metric: "validation_error" or another."""
        return f"validation_{metric_of(self.about['configuration'])}"

    def trial_words(self, options: Options) -> list[str]:
        """The words of `train` for a trial of these options."""
        return [*self.words, *option_words(options | shortened(options, self.scale))]

    @property
    def most(self) -> int:
        """How many trials there will be."""
        return min(self.trials, self.space.size or self.trials)


def plan_study(search: Search, row: SearchedRow, threads: int, words: list[str], trials: int | None, seed: int) -> StudyPlan:
    """A study with all that decides it. Raises InputError for what cannot be, before anything runs."""
    sampler, space, base = row.sampler or search.sampler, read_space(row.space), search.words(row)
    given = [*shlex.split(search.options), *words]
    for name in (word.partition("=")[0] for word in [*given, *(f"--{name}" for name in space.names)]):
        if name in (*OWN, "--validation"):
            raise InputError(f"{name} cannot be given: tune gives every trial its seeds, folder and threads, and holds images out")
    if "metric" in space.names:
        raise InputError("metric cannot be searched, for trials are compared by one; give --metric after --")
    if twice := [name for name in space.names if f"--{name}" in words]:
        raise InputError(f"--{twice[0]} stands after --, but the study {row.key} searches it; leave it out")
    changes = shortened(configuration(base), search.scale) if search.scale != 1 else {}
    base += [word for name, value in changes.items() for word in (f"--{name}", value)]
    base += [*given, "--validation", "true"]
    for options in space.covering():  # an option that there is not is refused here
        configuration(base + option_words(options | shortened(options, search.scale)))
    if sampler == "grid":
        space.combinations()
    seeds = whole_numbers("seeds", row.seeds or search.seeds)
    if len(set(seeds)) < len(seeds):
        raise InputError(f"seeds of {row.key} are {row.seeds or search.seeds!r}: one is there twice; give each once")
    most = trials or row.trials or (space.size if sampler == "grid" else None) or search.trials
    return StudyPlan(row.key, base, threads, space, seeds, sampler, most, search.round, seed, search.scale)


def option_words(options: Options) -> list[str]:
    """The words of `train` for a trial's options."""
    return [word for name, value in options.items() for word in (f"--{name}", value)]
