"""Is every weighted term alive, and does it move the network that it should and no other? Asked of a method on a few real steps.

A consistency loss without a gradient trains to the end and looks like a weak method; this names it before the first epoch.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice

import torch
from torch import Tensor, nn

from gan_sntg.data.loader import Batch, Loader
from gan_sntg.networks.precision import Precision
from gan_sntg.training.meter import Terms
from gan_sntg.training.method import Method, descend


@dataclass
class TermReport:
    """What was seen. terms: by name the last value; gradients: of each term by network, the least and greatest norm over the steps.

    moved: which networks a prefix's descent, or the whole step ("step"), changed; milliseconds: a whole step's, unwatched; off: terms
    whose weight is 0 by configuration; faults: sentences, empty for a healthy method.
    """

    terms: dict[str, float] = field(default_factory=dict)
    gradients: dict[str, dict[str, tuple[float, float]]] = field(default_factory=dict)
    moved: dict[str, set[str]] = field(default_factory=dict)
    milliseconds: float = 0.0
    off: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def fault(self, sentence: str) -> None:
        """Note what is wrong, once."""
        if sentence not in self.faults:
            self.faults.append(sentence)


def examine(method: Method, streams: Loader, t: int, steps: int, precision: Precision = Precision.float32) -> TermReport:
    """Train `steps` steps in epoch t, then as many again on the same batches, each term watched; the method is used up.

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
    for batch in batches:
        for prefix, (net, terms_of) in method.losses.items():
            own = next(name for name, other in method.networks.items() if other is net)
            with precision(device):
                terms = terms_of(batch, t)
            _watch(health, method, prefix, own, terms)
    _judge(health, method)
    return health


def _with_labels(streams: Loader) -> Iterator[Batch]:
    """The streams' batches; one of a single stream begins with labelled images, for a small one may have drawn none."""
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
            health.fault(f"{term} is {health.terms[term]}")
        norms = {name: _norm(value, net) for name, net in method.networks.items()}
        seen = health.gradients.setdefault(term, {})
        for name, norm in norms.items():
            low, high = seen.get(name, (norm, norm))
            seen[name] = min(low, norm), max(high, norm)
    if not any(value.requires_grad for value in terms.values()):
        return
    before = _snapshot(method)
    descend(method.optimizers[prefix], terms)
    changed = _changed(before, _snapshot(method))
    health.moved.setdefault(prefix, set()).update(changed)
    for name in sorted(changed - {own}):
        health.fault(f"descending {prefix}/... changed {name}, which it must not touch")


def _norm(value: Tensor, net: nn.Module) -> float:
    params = [p for p in net.parameters() if p.requires_grad]
    if not params or not value.requires_grad:
        return 0.0
    grads = [g for g in torch.autograd.grad(value, params, retain_graph=True, allow_unused=True) if g is not None]
    return float(torch.stack([g.float().norm() for g in grads]).norm()) if grads else 0.0


def _judge(health: TermReport, method: Method) -> None:
    """The faults that only the whole shows."""
    own = {prefix: next(name for name, other in method.networks.items() if other is net) for prefix, (net, _) in method.losses.items()}
    for term, weight in method.weights().items():
        if not weight:
            health.off.append(term)
        elif term not in health.terms:
            health.fault(f"{term} has weight {weight:g} but is never there: its ramp does not rise")
    for term, norms in health.gradients.items():
        low, high = norms[own[term.split("/")[0]]]
        if not high > 0:
            health.fault(f"{term} gives {own[term.split('/')[0]]} no gradient: it is dead")
        elif high == float("inf"):
            health.fault(f"the gradient of {term} is not finite")
    for prefix, name in own.items():
        if name not in health.moved.get(prefix, ()):
            health.fault(f"descending {prefix}/... does not change {name}")
    for name in sorted(set(method.networks) - health.moved["step"]):
        health.fault(f"a step leaves {name} as it is")


def _judge_followers(health: TermReport, method: Method) -> None:
    """A network of a student's own kind elsewhere in the method (teacher, average) must differ from it by now."""
    for student, _ in method.losses.values():
        for name, other in method.named_modules():
            if type(other) is type(student) and other is not student:
                pairs = zip(student.parameters(), other.parameters(), strict=True)
                if all(torch.equal(p, q) for p, q in pairs):
                    health.fault(f"{name} equals the student after several steps: it is the student, or its decay is 0")


def describe(batch: Batch) -> str:
    """Sizes and range of what the networks are given."""
    views = {name: view.x for name, view in batch._asdict().items() if view is not None}
    x = torch.cat([x.flatten() for x in views.values()])
    sizes = ", ".join(f"{name} {list(x.shape)}" for name, x in views.items())
    return f"{sizes}; values {float(x.min()):.3g} to {float(x.max()):.3g}"
