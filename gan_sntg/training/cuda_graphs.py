"""Gradients of a step, computed eagerly or by recorded CUDA graphs."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from gan_sntg.data.loader import Batch, Examples
from gan_sntg.training.meter import Terms
from gan_sntg.training.optim import parameters

WARM_UP = 2  # steps taken as they are written before one is recorded: libraries load, and what is special about a first step passes


def gradients(params: list[Tensor], terms: Terms) -> Terms:
    """Set `grad` of params to d(sum of the terms) / d(params); the terms, scalars or [S], detached."""
    for p in params:
        p.grad = None
    values = torch.stack(list(terms.values()))
    values.sum().backward(inputs=params)
    return dict(zip(terms, values.detach().unbind(), strict=True))


class EagerGradients:
    """`gradients` of what a loss of a method makes of a batch."""

    def __call__(self, method, name: str, batch: Batch, t: int) -> Terms:
        """Set the gradients of one optimizer's parameters; the terms of its loss in epoch t, detached."""
        return gradients(parameters(method.optimizers[name]), method.losses[name][1](batch, t))


class Recordable:
    """A method that CUDA graphs can record: its terms read nothing on the host, rewind no generator."""

    def graph_key(self, name: str, t: int) -> tuple:
        """What the terms of `name` depend on in epoch t besides batch, parameters, buffers and draws."""
        return (t,)


@contextmanager
def eager_gradients(method) -> Iterator[None]:
    """Find the method's gradients eagerly, so that what watches Python sees each step."""
    before, method.gradients = method.gradients, EagerGradients()
    try:
        yield
    finally:
        method.gradients = before


class CudaGraphGradients(EagerGradients):
    """Gradients by one recorded CUDA graph of forward and backward, equal to the eager ones.

    A graph is of one loss, form of batch and `method.graph_key(name, t)`, and is recorded anew where one of these, or the place of a
    parameter or buffer in memory, is another. Where recording fails, one line on stderr says why, and gradients are eager from then on.
    """

    def __init__(self):
        self.recordings: dict[str, Recording] = {}
        self.inputs: Inputs | None = None
        self.stream: torch.cuda.Stream | None = None
        self.failed = False

    def __deepcopy__(self, memo) -> "CudaGraphGradients":
        """A copy of a method records for itself."""
        return CudaGraphGradients()

    def __call__(self, method, name: str, batch: Batch, t: int) -> Terms:
        """As `EagerGradients`; `method` says what its terms depend on and draw from."""
        if self.failed:
            return super().__call__(method, name, batch, t)
        if self.inputs is None or self.inputs.form != form(batch):
            self.inputs = Inputs(batch)
            self.recordings.clear()
        key = method.graph_key(name, t), tuple(t.data_ptr() for t in (*method.parameters(), *method.buffers()))
        recording = self.recordings.get(name)
        if recording is None or recording.key != key:
            recording = self.recordings[name] = Recording(key)
        if recording.steps < WARM_UP:  # on the stream that records: autograd goes back on the streams that it came on
            recording.steps += 1
            main = torch.cuda.current_stream()
            self.stream = self.stream or torch.cuda.Stream()
            self.stream.wait_stream(main)
            with torch.cuda.stream(self.stream):
                terms = super().__call__(method, name, batch, t)
            main.wait_stream(self.stream)
            return terms
        self.inputs.take(batch)
        if recording.graph is None and not self.record(recording, method, name, self.inputs.batch, t):
            return super().__call__(method, name, batch, t)
        return recording.replay()

    def record(self, recording: "Recording", method, name: str, batch: Batch, t: int) -> bool:
        """Record without computing; whether it succeeded."""
        sets = getattr(method, "generator_sets", None) or [method.generators]  # of each run where it stands for several
        before = [(generators, purpose, g.get_state()) for generators in sets for purpose, g in generators.items()]
        graph = torch.cuda.CUDAGraph()
        try:
            for generators, purpose, _ in before:
                graph.register_generator_state(generators[purpose])
            with torch.cuda.graph(graph, stream=self.stream, capture_error_mode="thread_local"):
                recording.terms = super().__call__(method, name, batch, t)
        except RuntimeError as error:
            self.failed = True
            self.recordings.clear()
            cause = error.__context__ or error  # ending a recording that failed raises once more
            print(f"a step was not recorded, and CUDA graphs are not used: {' '.join(str(cause).split())[:200]}", file=sys.stderr)
            for generators, purpose, state in before:  # those that were registered with the failed graph are of no use
                generators[purpose] = torch.Generator(generators[purpose].device)
                generators[purpose].set_state(state)
            return False
        recording.graph, recording.grads = graph, [(p, p.grad) for p in parameters(method.optimizers[name])]
        return True


class Recording:
    """One graph: it leaves terms and gradients where it left them when it was recorded."""

    def __init__(self, key: tuple):
        self.key, self.steps = key, 0
        self.graph: torch.cuda.CUDAGraph | None = None
        self.terms: Terms = {}
        self.grads: list[tuple[Tensor, Tensor | None]] = []

    def replay(self) -> Terms:
        """The terms, in memory of their own, and the gradients."""
        assert self.graph is not None
        self.graph.replay()
        for p, grad in self.grads:
            p.grad = grad
        return dict(zip(self.terms, torch.stack(list(self.terms.values())).unbind(), strict=True))


class Inputs:
    """A batch that stays where it is; what it holds is replaced."""

    def __init__(self, batch: Batch):
        """batch: of the form that all others will have."""
        self.form, self.taken = form(batch), None
        self.batch = Batch(*(view and Examples(*(tensor.clone() for tensor in view)) for view in batch))

    def take(self, batch: Batch) -> None:
        """Hold another, unless it is held already."""
        if batch is self.taken:
            return
        mine, others = ([tensor for view in views if view for tensor in view] for views in (self.batch, batch))
        torch._foreach_copy_(mine, others, non_blocking=True)  # pyright: ignore[reportPrivateImportUsage]
        self.taken = batch


def form(batch: Batch) -> tuple:
    """What two batches that one program reads have in common."""
    return tuple(view and tuple((t.shape, t.stride(), t.dtype) for t in view) for view in batch)
