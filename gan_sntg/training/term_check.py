"""Check on a few real steps that every weighted term has a gradient and moves its network alone."""

import copy
import math
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.utils import get_total_norm

from gan_sntg.data.loader import Batch, Loader
from gan_sntg.distributed import rank, world_size
from gan_sntg.errors import UnhealthyError
from gan_sntg.networks.passes import EagerForward, Precision, use
from gan_sntg.training.cuda_graphs import EagerGradients, gradients
from gan_sntg.training.meter import Terms
from gan_sntg.training.method import Method
from gan_sntg.training.optim import parameters, trainable

IMAGES = 20  # of each kind in a step, where a run's own steps have more
STEPS = 2
MAY_RECOVER = "dead", "absent"  # faults of a term that may yet come to life


@dataclass
class TermReport:
    """Values and gradients of the terms, what they moved, and faults.

    terms: last values, or the first that is not finite; gradients: of each term by network, the norms of all steps; moved: networks
    that a prefix's descents, or whole steps ("step"), changed; milliseconds: of an unwatched step; faults: the kind of each by its text:
    nonfinite, a value or gradient; dead, no gradient; absent, never there; unmoved, a network stays; leak, a wrong network moves;
    follower, a teacher equals its student; idle, no learning rate, with which nothing else is looked at.
    """

    terms: dict[str, float] = field(default_factory=dict)
    gradients: dict[str, dict[str, list[float]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(list)))
    moved: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    milliseconds: float = 0.0
    faults: dict[str, str] = field(default_factory=dict)


def check_terms(method: Method, streams: Loader, sizes: tuple[int, int], t: int, precision: Precision, out: Path) -> None:
    """Raise UnhealthyError where a term is not finite or moves a wrong network; report a dead one.

    A dead one is no error: a term with a threshold may be 0 on an untrained network, and a ramp may not rise in a short run.
    sizes: of a run's unlabelled and labelled batches. A copy of the method takes the steps.
    """
    few = (IMAGES * world_size(),) * 2 if min(sizes) >= IMAGES * world_size() else sizes
    small, twin = Loader(streams.pool, few[0], streams.seed, None, few[1], method.views), copy.deepcopy(method)
    use(EagerForward(), twin)  # a compiled pass has one backward pass, not one a term
    twin.gradients = EagerGradients()
    faults = examine(twin, small, t, STEPS, precision).faults
    for text, kind in faults.items():
        if kind in MAY_RECOVER and rank() == 0:
            print(f"{out}: {text} (before training; if it stays so, the term does nothing)", file=sys.stderr)
    if worse := [text for text, kind in faults.items() if kind not in MAY_RECOVER]:
        raise UnhealthyError(f"{out} was not begun: {'; '.join(worse)}. Mend the configuration; --liveness false trains all the same")


def last_with_all(method: Method, epochs: int) -> int:
    """The last epoch of so many that no part's `stop_epochs` has ended a term of."""
    stops = [stop for part in method.modules() if isinstance(stop := getattr(part, "stop_epochs", None), int | float)]
    return min([epochs, *map(math.ceil, stops)]) - 1


def examine(method: Method, streams: Loader, t: int, steps: int, precision: Precision = Precision.float32) -> TermReport:
    """Train `steps` steps in epoch t, then watch each term on the same batches; uses the method up.

    t should be past every ramp. The first round and its `end_epoch` are there so that averages and ensembles hold something. A part's
    `confidence`, of which a teacher that was not trained has none, is not asked for.
    """
    for part in (part for part in method.modules() if hasattr(part, "confidence")):
        setattr(part, "confidence", 0.0)  # noqa: B010
    health, batches, device = TermReport(), [_next_with_labels(streams) for _ in range(steps)], streams.pool.device
    method.start(streams.example(min(method.start_size, 5 * streams.batch_size), "start"))
    with _noting_moves(method, health.moved["step"]):
        began = time.perf_counter()
        for batch in batches:
            with precision(device):
                method.step(batch, t)
        health.milliseconds = 1000 * (time.perf_counter() - began) / steps
    if not any(group["lr"] for optimizer in method.optimizers.values() for group in optimizer.param_groups):
        remedy = "give fewer --epochs, or a longer schedule (method.decay_epochs, or method.schedule)"
        health.faults[f"the learning rate is 0 in epoch {t + 1}, where nothing is learned; {remedy}"] = "idle"
        return health
    if steps > 1:  # after one step a de-biased average is what it follows
        health.faults.update(_idle_followers(method))
    method.end_epoch()
    for batch in batches:
        for prefix, (_, terms_of) in method.losses.items():
            with precision(device):
                terms = terms_of(batch, t)
            _watch(health, method, prefix, terms)
    health.faults.update(_faults(health, method))
    return health


def _next_with_labels(streams: Loader) -> Batch:
    """The streams' next batch; that of a single stream begins with labelled images, so that it has some."""
    pool, batch = streams.pool, next(streams.epoch())
    if batch.labeled is None and batch.unlabeled is not None:
        first = pool.labeled[: max(1, streams.batch_size // 4)]
        batch = batch._replace(unlabeled=pool.view(torch.cat([first, batch.unlabeled.index])[: streams.batch_size]))
    return batch


def own_networks(method: Method, prefix: str) -> dict[str, nn.Module]:
    """The networks that the terms of a prefix must move, by name."""
    own = {id(p) for p in method.losses[prefix][0].parameters()}
    return {name: net for name, net in method.networks.items() if own.issuperset(id(p) for p in net.parameters())}


def _flat(net: nn.Module) -> Tensor:
    return torch.cat([p.detach().flatten() for p in net.parameters()])


@contextmanager
def _noting_moves(method: Method, moved: set[str]) -> Iterator[None]:
    """Add the networks whose parameters change within it to `moved`."""
    before = {name: _flat(net) for name, net in method.networks.items()}
    yield
    moved.update(name for name, net in method.networks.items() if not torch.equal(_flat(net), before[name]))


def _watch(health: TermReport, method: Method, prefix: str, terms: Terms) -> None:
    """Gradient norms of each term into each network, then the descent of all of them and what it changed."""
    for term, value in terms.items():
        if math.isfinite(health.terms.get(term, 0.0)):
            health.terms[term] = float(value.detach())
        for name, net in method.networks.items():
            params = trainable(net) if value.requires_grad else []
            grads = torch.autograd.grad(value, params, retain_graph=True, materialize_grads=True) if params else []
            health.gradients[term][name].append(float(get_total_norm(grads)))
    if any(value.requires_grad for value in terms.values()):
        with _noting_moves(method, health.moved[prefix]):
            gradients(parameters(method.optimizers[prefix]), terms)
            method.optimizers[prefix].step()


def _faults(health: TermReport, method: Method) -> Iterator[tuple[str, str]]:
    """Text and kind of the faults that the values, gradients and moves show."""
    own = {prefix: set(own_networks(method, prefix)) for prefix in method.losses}
    for term, weight in method.weights().items():
        if weight and term not in health.terms:
            yield f"{term} has weight {weight:g} but is never there: its ramp does not rise", "absent"
    for term, value in health.terms.items():
        nets = sorted(own[term.split("/")[0]])
        norms = [norm for net in nets for norm in health.gradients[term][net]]
        if not math.isfinite(value):
            yield f"{term} is {value}", "nonfinite"
        if not all(map(math.isfinite, norms)):
            yield f"the gradient of {term} is not finite", "nonfinite"
        elif not any(norms) and term not in method.intermittent:
            yield f"{term} gives {' and '.join(nets)} no gradient: it is dead", "dead"
    for prefix, nets in own.items():
        for name in sorted(health.moved[prefix] - nets):
            yield f"descending {prefix}/... changed {name}, which it must not touch", "leak"
        for name in sorted(nets - health.moved[prefix]):
            yield f"descending {prefix}/... does not change {name}", "unmoved"
    for name in sorted(set(method.networks) - health.moved["step"]):
        yield f"a step leaves {name} as it is", "unmoved"


def _idle_followers(method: Method) -> Iterator[tuple[str, str]]:
    """A fault of each teacher or average of a student's own type that still equals it."""
    for student in (net for prefix in method.losses for net in own_networks(method, prefix).values()):
        for name, other in method.named_modules():
            if type(other) is type(student) and other is not student and torch.equal(_flat(other), _flat(student)):
                yield f"{name} equals the student after several steps: it is the student, or its decay is 0", "follower"
