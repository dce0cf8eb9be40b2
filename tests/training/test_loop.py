"""The engine: whose parameters move, and when the loop calls whom."""

import math

import pytest
import torch
from helpers.tiny import streams
from torch import nn

from gan_sntg.errors import NonFiniteError
from gan_sntg.training.cuda_graphs import gradients
from gan_sntg.training.loop import Progress, fit
from gan_sntg.training.meter import Meter
from gan_sntg.training.method import Method


class Scribe(Method):
    """Writes down what the engine asks of it; its one term is the number of the step, or NaN from `bad_step` on."""

    def __init__(self, bad_step: int | None = None):
        super().__init__()
        self.calls, self.count, self.bad_step = [], 0, bad_step

    def step(self, batch, t):
        self.calls.append(t)
        self.count += 1
        bad = self.bad_step is not None and self.count > self.bad_step
        return {"net/step": torch.tensor(math.nan if bad else float(self.count))}

    classifiers = losses = property(lambda self: {})

    def weights(self):
        return {"net/step": 1.0}

    def end_epoch(self):
        self.calls.append("end")

    def before_evaluation(self):
        self.calls.append("before")


def trained(method: Scribe, epochs: int, interval_epochs: int, progress: Progress | None = None) -> Progress:
    made, progress, meter = streams(batch_size=30), progress or Progress(), Meter()
    calls = lambda: None, lambda: method.calls.append(meter.read()["net/step"])
    fit(method, made, epochs, interval_epochs, progress, *calls, meter=meter)
    return progress


def test_gradients_are_of_the_given_parameters_and_soil_no_other():
    d, g = nn.Linear(3, 2), nn.Linear(2, 3)
    gradients(list(g.parameters()), {"g/loss": d(g(torch.ones(1, 2))).sum()})
    assert all(p.grad is None for p in d.parameters())
    assert all(p.grad.abs().sum() > 0 for p in g.parameters())


def test_a_step_by_gradients_is_one_down_the_sum_of_the_terms():
    p = nn.Parameter(torch.tensor([1.0, -2.0]))
    optimizer = torch.optim.SGD([p], lr=0.1)
    for _ in range(2):
        expected = p.detach() - 0.1 * (2 * p.detach() + torch.tensor([3.0, 3.0]))
        terms = gradients([p], {"net/square": p.square().sum(), "net/linear": 3 * p.sum()})
        optimizer.step()
        torch.testing.assert_close(p.detach(), expected)
    assert not any(value.requires_grad for value in terms.values())


def test_fit_asks_in_the_order_of_the_contract():
    method = Scribe()
    progress = trained(method, epochs=3, interval_epochs=2)
    assert method.calls == [0, 0, "end", 1, 1, "end", "before", 2.5, 2, 2, "end", "before", 5.5]
    assert (progress.epoch, progress.step) == (3, 6)


def test_fit_goes_on_from_where_progress_stands_and_does_nothing_at_the_end():
    method, progress = Scribe(), Progress()
    progress.epoch, progress.step = 2, 4
    progress = trained(method, 3, 1, progress)
    assert method.calls == [2, 2, "end", "before", 1.5] and progress.step == 6
    trained(method, 3, 1, progress)
    assert len(method.calls) == 5


def test_a_non_finite_term_stops_the_run_before_anything_is_evaluated_or_saved():
    method = Scribe(bad_step=3)
    with pytest.raises(NonFiniteError, match="net/step is not finite since epoch 1, step 3"):
        trained(method, epochs=4, interval_epochs=1)
    assert method.calls == [0, 0, "end", "before", 1.5, 1, 1, "end"]
