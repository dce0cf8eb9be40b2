"""How are the runs of several seeds trained? As one program where that can be done and is faster, else one after another."""

import copy
import sys
import time
from contextlib import ExitStack
from typing import NamedTuple

from jsonargparse import Namespace

from gan_sntg.commands.session import Session, display, writing
from gan_sntg.commands.stopping import Watch
from gan_sntg.core import engine
from gan_sntg.core.engine import Method
from gan_sntg.core.errors import NonFiniteError
from gan_sntg.core.meter import Meters
from gan_sntg.core.ranks import ALONE, Alone
from gan_sntg.core.record import RunFolder
from gan_sntg.core.stacked import StackedStreams, stacked, unstack
from gan_sntg.core.threads import crowding
from gan_sntg.feature_matching import FeatureMatchingGAN
from gan_sntg.networks import DenseDiscriminator, DenseGenerator

TERMS = ("discriminator_terms", "generator_terms")  # the functions of a FeatureMatchingGAN whose terms are descended
ONE_PROGRAM_ON = ("cuda",)  # not "cpu": one program is not faster there than one run after another (results/seeds_speed.md)


class Run(NamedTuple):
    """What a session is made of: the folder, the options and their text."""

    folder: RunFolder
    options: Namespace
    text: str


def train_all(runs: list[Run], team: Alone = ALONE) -> None:
    """Train unfinished runs to the end: those that stand at the same step together, where that is faster. team: trains one at the most."""
    watch = Watch(runs[0].options.max_minutes, runs[0].options.checkpoint_minutes) if runs else None
    first = Session(*runs[0], watch, team) if runs else None
    if first and team.first and first.parts.device.type == "cpu" and (note := crowding(first.options.threads)):
        print(note, file=sys.stderr)
    if len(runs) > 1 and not (why_not := obstacle(first.parts.method, first.options)):
        return train_groups([first, *(Session(*run, watch) for run in runs[1:])])
    if len(runs) > 1:
        print(f"the seeds are trained one after another: {why_not}", file=sys.stderr)
    for k, run in enumerate(runs):
        (Session(*run, watch) if k else first).train()


def train_groups(sessions: list[Session]) -> None:
    """Train together those that stand at the same step, group after group; one that stands there by itself is trained alone."""
    groups: dict[int, list[Session]] = {}
    for session in sessions:
        groups.setdefault(session.progress.step, []).append(session)
    for step, group in groups.items():
        if len(groups) > 1:
            print(f"from step {step}: seeds {', '.join(str(s.options.seed) for s in group)}", file=sys.stderr)
        (Together(group) if len(group) > 1 else group[0]).train()


def obstacle(method: Method, options: Namespace) -> str | None:
    """Why runs of this method are not stacked; None where they are."""
    nets = [getattr(method, name, None) for name in ("discriminator", "generator")]
    if type(method) is not FeatureMatchingGAN or [type(net) for net in nets] != [DenseDiscriminator, DenseGenerator]:
        return "only the GAN of dense networks is trained as one program"
    if options.compile:
        return "one program of them all is not compiled"
    if next(method.parameters()).device.type not in ONE_PROGRAM_ON:
        return "one program is not faster on a CPU (results/seeds_speed.md)"
    return None


class Together:
    """The sessions of runs that stand at the same step, trained as one, each watched, recorded and saved as it would be alone."""

    def __init__(self, sessions: list[Session]):
        """sessions: of one configuration but for the seeds. Their methods are as before until the first interval."""
        self.sessions, self.progress, self.watch = sessions, copy.copy(sessions[0].progress), sessions[0].watch
        self.meters = Meters([f"seed {s.options.seed} ({s.folder.path})" for s in sessions])
        self.meters.join([s.meter for s in sessions])
        for session in sessions:
            session.meter.sums = {}
        self.method = stacked([s.parts.method for s in sessions], TERMS)
        self.streams = StackedStreams([s.parts.streams for s in sessions])

    def train(self) -> None:
        """Train with a live display, then write the results."""
        first, calls = self.sessions[0].options, (self.progress, self.on_step, self.on_interval)
        with ExitStack() as stack:
            for session in self.sessions:
                stack.enter_context(writing(session.folder))
            bar = stack.enter_context(display(self.sessions[0].console))
            stack.enter_context(self.watch)
            for session in self.sessions:
                session.begin(bar)
            self.clock = time.perf_counter()
            try:
                engine.fit(self.method, self.streams, first.epochs, first.interval_epochs, *calls, first.precision, self.meters)
            except NonFiniteError as error:
                raise NonFiniteError(f"{error}; without this seed in --seeds the others go on") from error
            for session in self.sessions:
                session.folder.finish(session.result())

    def on_step(self) -> None:
        """Move every run's progress bar; save all, or stop all, where it is time to."""
        for session in self.sessions:
            session.bar.advance(session.task)
        self.watch.tick()
        stopped = self.watch.stop()
        if stopped or self.watch.must_save:
            self.meters.check(self.streams.steps_per_epoch)
            self.hand_out()
            for s, session in enumerate(self.sessions):
                session.meter.sums = self.meters.one(s).sums
                session.count_seconds()
                session.save()
                session.meter.sums = {}
            self.clock = time.perf_counter()
        if stopped:
            raise stopped

    def hand_out(self) -> None:
        """Give each run what was trained: its part of the time and of the state."""
        share = (time.perf_counter() - self.clock) / len(self.sessions)
        unstack(self.method, [s.parts.method for s in self.sessions])
        for session in self.sessions:
            session.progress.epoch, session.progress.step = self.progress.epoch, self.progress.step
            session.clock = time.perf_counter() - share

    def on_interval(self, terms: list[dict[str, float]]) -> None:
        """Let each run go on alone from what was trained."""
        self.hand_out()
        for session, own in zip(self.sessions, terms, strict=True):
            session.on_interval(own)
        self.clock = time.perf_counter()
