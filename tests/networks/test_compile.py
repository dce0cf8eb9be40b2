"""Compiled passes: the plain ones but for rounding, with the same noise; plain, and said so, where nothing can be compiled."""

import pytest
import torch
from helpers.method_factories import made, prepared
from helpers.tiny import UnitRange64, assert_same, gan, started, streams
from torch import nn

from gan_sntg.graph.teachers import Averaged, NoiseFree, SecondPass
from gan_sntg.networks.gan import DenseDiscriminator
from gan_sntg.networks.passes import CompiledForward, EagerForward, use


class Traced(CompiledForward):
    """As compiled, but torch's own operations stand in for what a compiler makes: the same values, bit for bit, by "eager"."""

    def __init__(self, backend: str = "eager"):
        super().__init__()
        self.compiled = torch.compile(lambda net, x: net(x), dynamic=False, backend=backend)


def steps(method, from_streams, execution: EagerForward, n: int = 3):
    use(execution, method)
    batches = [batch for _ in range(n) for batch in from_streams.epoch()][:n]
    return [method.step(batch, 1) for batch in batches]


def gan_steps(execution: EagerForward, teacher=SecondPass):
    s = streams(normalization=UnitRange64)
    return steps(started(gan(teacher=teacher(), weight=1.0, dtype=torch.float64), s), s, execution)


def method_steps(name: str, execution: EagerForward):
    method = made(name)
    return steps(method, prepared(method, dtype=torch.float64), execution)


@pytest.mark.parametrize("teacher", [SecondPass, NoiseFree, Averaged])
def test_compiled_passes_of_a_gan_draw_what_eager_ones_do(teacher):
    assert_same(gan_steps(Traced(), teacher), gan_steps(EagerForward(), teacher))


@pytest.mark.parametrize("name", ["pi", "tempens", "mean_teacher", "vat"])
def test_compiled_passes_of_a_method_draw_what_eager_ones_do(name):
    assert_same(method_steps(name, Traced()), method_steps(name, EagerForward()))


def test_compiled_steps_are_the_plain_ones_and_another_run_compiles_nothing_more():
    torch.compiler.reset()
    found = method_steps("pi", Traced("aot_eager"))
    programs = torch._dynamo.utils.counters["stats"]["unique_graphs"]
    torch.testing.assert_close(found, method_steps("pi", EagerForward()), rtol=1e-9, atol=1e-12)
    method_steps("pi", Traced("aot_eager"))
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == programs > 0


def test_what_the_compiler_of_this_machine_makes_has_the_plain_values_and_gradients(monkeypatch):
    monkeypatch.setattr(torch._inductor.config.cpp, "vec_isa_ok", False)  # without programs that try the processor's vectors
    compiled, net, x = CompiledForward(), nn.Sequential(nn.Linear(3, 2), nn.Tanh()).double(), torch.randn(5, 3, dtype=torch.float64)
    found, gradients = [], []
    for execution in (compiled, EagerForward()):
        found.append(execution(net, x, None))
        gradients.append(torch.autograd.grad(found[-1].square().sum(), net.parameters()))
    torch.testing.assert_close(found[0], found[1], rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-9, atol=1e-12)
    assert not compiled.failed


def test_where_compiling_fails_passes_are_plain_from_then_on_and_one_line_says_why(capsys):
    def no_compiler(net, x):
        calls.append(x)
        raise torch._dynamo.exc.BackendCompilerFailed(None, RuntimeError("no C++ compiler"), None)

    calls, execution = [], CompiledForward()
    execution.compiled = no_compiler
    assert_same(gan_steps(execution), gan_steps(EagerForward()))
    said = capsys.readouterr().err
    assert len(calls) == 1 and said.count("\n") == 1 and "no C++ compiler" in said


def test_an_error_of_the_network_itself_is_not_taken_for_one_of_the_compiler():
    execution = CompiledForward()
    execution.compiled = lambda net, x: net(x)
    with pytest.raises(RuntimeError, match="shape"):
        execution(DenseDiscriminator((1, 4, 4), 3), torch.rand(5, 1, 9, 9), None)
