"""Check on a few real steps that every weighted term has a gradient and moves its network alone."""

import copy
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from gan_sntg.data.loader import Batch, Loader
from gan_sntg.distributed import rank, world_size
from gan_sntg.errors import UnhealthyError
from gan_sntg.networks.compile import EagerForward, use
from gan_sntg.networks.precision import Precision
from gan_sntg.training import checkpoint
from gan_sntg.training.cuda_graphs import eager_gradients, gradients
from gan_sntg.training.loop import Progress
from gan_sntg.training.meter import Terms
from gan_sntg.training.method import Method
from gan_sntg.training.optim import parameters

IMAGES = 20  # of each kind in a step, where a run's own steps have more
STEPS = 2
MAY_RECOVER = "dead", "absent"  # faults of a term that may yet come to life


class Fault(NamedTuple):
    """A fault of a term or a network.

    nonfinite: a value or gradient; dead: no gradient; absent: never there; unmoved: a network stays; leak: a wrong network moves;
    follower: a teacher equals its student.
    """

    kind: Literal["nonfinite", "dead", "absent", "unmoved", "leak", "follower"]
    term: str  # or a prefix of terms, or a network
    text: str


@dataclass
class TermReport:
    """Values and gradients of the terms, what they moved, and faults.

    terms: last values; gradients: of each term by network, the least and greatest norm over the steps; moved: networks that a prefix's
    descent, or the whole step ("step"), changed; milliseconds: of an unwatched step; off: terms of weight 0 by configuration.
    """

    terms: dict[str, float] = field(default_factory=dict)
    gradients: dict[str, dict[str, tuple[float, float]]] = field(default_factory=dict)
    moved: dict[str, set[str]] = field(default_factory=dict)
    milliseconds: float = 0.0
    off: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    def fault(self, *fault) -> None:
        """Note a Fault's fields, once."""
        if (found := Fault(*fault)) not in self.faults:
            self.faults.append(found)


def check_terms(method: Method, streams: Loader, sizes: tuple[int, int], t: int, precision: Precision, out: Path) -> None:
    """Raise UnhealthyError where a term is not finite or moves a wrong network; report a dead one.

    A dead one is no error: a term with a threshold may be 0 on an untrained network, and a ramp may not rise in a short run.
    sizes: of a run's unlabelled and labelled batches. The method and its streams are left as they were.
    """
    before = copy.deepcopy(checkpoint.state_of(method, streams, Progress()))
    few = (IMAGES * world_size(),) * 2 if min(sizes) >= IMAGES * world_size() else sizes
    small = Loader(streams.pool, few[0], streams.seed, None, few[1], method.views)
    execution = method.execution
    use(EagerForward(), method)  # a compiled pass has one backward pass, not one a term
    try:
        with eager_gradients(method):
            faults = examine(method, small, t, STEPS, precision).faults
    finally:
        use(execution, method)
        method.train()
        checkpoint.put_back(before, out, method, streams, Progress())
    for fault in faults:
        if fault.kind in MAY_RECOVER and rank() == 0:
            print(f"{out}: {fault.text} (before training; if it stays so, the term does nothing)", file=sys.stderr)
    if worse := [fault.text for fault in faults if fault.kind not in MAY_RECOVER]:
        raise UnhealthyError(f"{out} was not begun: {'; '.join(worse)}. Mend the configuration; --liveness false trains all the same")


def examine(method: Method, streams: Loader, t: int, steps: int, precision: Precision = Precision.float32) -> TermReport:
    """Train `steps` steps in epoch t, then watch each term on the same batches; uses the method up.

    t should be past every ramp. The first round and its `end_epoch` are there so that averages and ensembles hold something.
    """
    health, batches, device = TermReport(), list(islice(_with_labels(streams), steps)), streams.pool.x.device
    method.start(streams.example(min(method.start_size, 5 * streams.batch_size), "start"))
    before, began = _snapshot(method), time.perf_counter()
    for batch in batches:
        with precision(device):
            method.step(batch, t)
    health.milliseconds = 1000 * (time.perf_counter() - began) / steps
    health.moved["step"] = _changed(before, _snapshot(method))
    if steps > 1:  # after one step a de-biased average is what it follows
        _judge_followers(health, method)
    method.end_epoch()
    own = {prefix: next(name for name, other in method.networks.items() if other is net) for prefix, (net, _) in method.losses.items()}
    for batch in batches:
        for prefix, (_, terms_of) in method.losses.items():
            with precision(device):
                terms = terms_of(batch, t)
            _watch(health, method, prefix, own[prefix], terms)
    _judge(health, method, own)
    return health


def _with_labels(streams: Loader) -> Iterator[Batch]:
    """The streams' batches; one of a single stream begins with labelled images, so that it has some."""
    pool = streams.pool
    while True:
        for batch in streams.epoch():
            if batch.labeled is None and batch.unlabeled is not None:
                first = pool.labeled[: max(1, streams.batch_size // 4)]
                batch = batch._replace(unlabeled=pool.view(torch.cat([first, batch.unlabeled.index])[: streams.batch_size]))
            yield batch


def _snapshot(method: Method) -> dict[str, Tensor]:
    return {name: torch.cat([p.detach().flatten().clone() for p in net.parameters()]) for name, net in method.networks.items()}


def _changed(before: dict[str, Tensor], after: dict[str, Tensor]) -> set[str]:
    return {name for name, values in after.items() if not torch.equal(values, before[name])}


def _watch(health: TermReport, method: Method, prefix: str, own: str, terms: Terms) -> None:
    """Gradient norms of each term into each network, then the descent of all of them and what it changed."""
    for term, value in terms.items():
        health.terms[term] = float(value.detach())
        if not value.isfinite():
            health.fault("nonfinite", term, f"{term} is {health.terms[term]}")
        norms = {name: _norm(value, net) for name, net in method.networks.items()}
        seen = health.gradients.setdefault(term, {})
        for name, norm in norms.items():
            low, high = seen.get(name, (norm, norm))
            seen[name] = min(low, norm), max(high, norm)
    if not any(value.requires_grad for value in terms.values()):
        return
    before = _snapshot(method)
    gradients(parameters(method.optimizers[prefix]), terms)
    method.optimizers[prefix].step()
    changed = _changed(before, _snapshot(method))
    health.moved.setdefault(prefix, set()).update(changed)
    for name in sorted(changed - {own}):
        health.fault("leak", prefix, f"descending {prefix}/... changed {name}, which it must not touch")


def _norm(value: Tensor, net: nn.Module) -> float:
    params = [p for p in net.parameters() if p.requires_grad]
    if not params or not value.requires_grad:
        return 0.0
    grads = [g for g in torch.autograd.grad(value, params, retain_graph=True, allow_unused=True) if g is not None]
    return float(torch.stack([g.float().norm() for g in grads]).norm()) if grads else 0.0


def _judge(health: TermReport, method: Method, own: dict[str, str]) -> None:
    """Note the faults that only the whole shows. own: the network of each prefix."""
    for term, weight in method.weights().items():
        if not weight:
            health.off.append(term)
        elif term not in health.terms:
            health.fault("absent", term, f"{term} has weight {weight:g} but is never there: its ramp does not rise")
    for term, norms in health.gradients.items():
        net = own[term.split("/")[0]]
        if not norms[net][1] > 0:
            health.fault("dead", term, f"{term} gives {net} no gradient: it is dead")
        elif norms[net][1] == float("inf"):
            health.fault("nonfinite", term, f"the gradient of {term} is not finite")
    for prefix, name in own.items():
        if name not in health.moved.get(prefix, ()):
            health.fault("unmoved", prefix, f"descending {prefix}/... does not change {name}")
    for name in sorted(set(method.networks) - health.moved["step"]):
        health.fault("unmoved", name, f"a step leaves {name} as it is")


def _judge_followers(health: TermReport, method: Method) -> None:
    """Fault a teacher or average of a student's own type that still equals it."""
    for student, _ in method.losses.values():
        for name, other in method.named_modules():
            if type(other) is type(student) and other is not student:
                pairs = zip(student.parameters(), other.parameters(), strict=True)
                if all(torch.equal(p, q) for p, q in pairs):
                    health.fault("follower", name, f"{name} equals the student after several steps: it is the student, or its decay is 0")


def describe(batch: Batch) -> str:
    """Sizes and range of what the networks are given."""
    views = {name: view.x for name, view in batch._asdict().items() if view is not None}
    x = torch.cat([x.flatten() for x in views.values()])
    sizes = ", ".join(f"{name} {list(x.shape)}" for name, x in views.items())
    return f"{sizes}; values {float(x.min()):.3g} to {float(x.max()):.3g}"
