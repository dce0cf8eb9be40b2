"""A step by part: all of it, nothing of the run changed by watching, and operations counted as by hand."""

import itertools

import pytest
import torch
from helpers.method_factories import ALL, made, prepared
from helpers.tiny import gan, started, streams

from gan_sntg.benchmarks.profile import breakdown, flops_of
from gan_sntg.networks.dense_gan import DenseDiscriminator
from gan_sntg.networks.ema import Average
from gan_sntg.networks.precision import Precision

CPU = torch.device("cpu")


def forever(s):
    return itertools.chain.from_iterable(s.epoch() for _ in itertools.count())


def parts(method, s) -> set[str]:
    return set(breakdown(method, forever(s), 1, Precision.float32, CPU, 2))


def test_the_gans_parts_are_named_and_the_methods_are_left_as_they_were():
    s = streams()
    method = started(gan(weight=1.0), s)
    update, backward, execution = Average.update, torch.autograd.backward, method.execution
    found = parts(method, s)
    forward = {"forward discriminator", "forward generator", "teacher pass"}
    assert found == forward | {"data", "backward", "graph loss", "optimizer", "averages", "logging", "rest"}
    assert Average.update is update and torch.autograd.backward is backward and method.execution is execution
    assert "graph_term" not in vars(method) and "step" not in vars(method.optimizers["d"])


@pytest.mark.parametrize("name", ALL)
def test_every_methods_parts_are_found(name):
    method = made(name)
    found = parts(method, prepared(method))
    assert {"data", "forward net", "backward", "graph loss", "optimizer", "averages", "logging", "rest"} <= found
    assert ("adversarial direction" in found) == (name == "vat")


def test_without_a_graph_there_is_no_part_of_it():
    s = streams()
    assert "graph loss" not in parts(started(gan(), s), s)


def test_watched_steps_are_the_steps_that_are_not_watched():
    states = []
    for watched in (True, False):
        s = streams()
        method = started(gan(weight=1.0), s)
        batches = forever(s)
        if watched:
            breakdown(method, batches, 1, Precision.float32, CPU, 3)
        else:
            for _ in range(3):
                method.step(next(batches), 1)
        states.append(torch.cat([p.detach().flatten() for p in method.parameters()]))
    assert torch.equal(*states)


def test_operations_of_a_dense_net_are_two_for_each_weight_and_image_and_direction():
    net, x = DenseDiscriminator((1, 4, 4), 3, widths=(10,)), torch.rand(7, 1, 4, 4)
    assert flops_of(lambda: net(x)) == 2 * 7 * (16 * 10 + 10 * 3)
    backward = 2 * 7 * (16 * 10 + 2 * 10 * 3)  # nothing goes back into x
    assert flops_of(lambda: net(x)[1].sum().backward()) == 2 * 7 * (16 * 10 + 10 * 3) + backward
