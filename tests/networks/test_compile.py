"""Compiled passes and steps of Adam: the plain ones but for rounding, with the same noise; plain where nothing can be compiled."""

import copy

import pytest
import torch
from helpers.ladders import ladder
from helpers.method_factories import made, prepared
from helpers.tiny import UnitRange64, assert_same, gan, started, streams
from torch import nn

from gan_sntg.graph.teachers import Averaged, NoiseFree, SecondPass
from gan_sntg.networks.gan import DenseDiscriminator, Rectified
from gan_sntg.networks.noise import Dropout, GaussianNoise
from gan_sntg.networks.passes import Compiled, CompiledForward, EagerForward, needs, use
from gan_sntg.training.optim import AdamInside, moved


def traced() -> CompiledForward:
    """As compiled, but torch's own operations stand in for what a compiler makes: the same values, bit for bit, by "eager"."""
    return CompiledForward(backend="eager")


def steps(method, from_streams, execution: EagerForward, n: int = 3):
    use(execution, method)
    batches = [batch for _ in range(n) for batch in from_streams.epoch()][:n]
    return [method.step(batch, 1) for batch in batches]


def gan_steps(execution: EagerForward, teacher=SecondPass):
    s = streams(normalization=UnitRange64)
    return steps(started(gan(teacher=teacher(), weight=1.0, dtype=torch.float64), s), s, execution)


def method_steps(name: str, execution: EagerForward):
    method = ladder() if name == "ladder" else made(name)
    return steps(method, prepared(method, dtype=torch.float64), execution)


@pytest.mark.parametrize("teacher", [SecondPass, NoiseFree, Averaged])
def test_compiled_passes_of_a_gan_draw_what_eager_ones_do(teacher):
    assert_same(gan_steps(traced(), teacher), gan_steps(EagerForward(), teacher))


@pytest.mark.parametrize("name", ["pi", "tempens", "mean_teacher", "vat", "ladder"])
def test_compiled_passes_of_a_method_draw_what_eager_ones_do(name):
    assert_same(method_steps(name, traced()), method_steps(name, EagerForward()))


def test_both_passes_of_a_ladder_are_compiled_its_decoder_and_costs_with_them():
    execution = CompiledForward(backend="eager", fullgraph=True)  # one program a pass
    compiled, seen = execution.forward.compiled, []
    execution.forward.compiled = lambda net, x: seen.append(type(net).__name__) or compiled(net, x)
    method_steps("ladder", execution)
    assert seen == ["DenseLadder", "BothPaths"] * 3 and not execution.forward.failed


def test_compiled_steps_are_the_plain_ones_and_another_run_compiles_nothing_more():
    torch.compiler.reset()
    found = method_steps("pi", CompiledForward(backend="aot_eager"))
    programs = torch._dynamo.utils.counters["stats"]["unique_graphs"]
    torch.testing.assert_close(found, method_steps("pi", EagerForward()), rtol=1e-9, atol=1e-12)
    method_steps("pi", CompiledForward(backend="aot_eager"))
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
    assert not compiled.forward.failed


def test_where_compiling_fails_passes_are_plain_from_then_on_and_one_line_says_why(capsys):
    def no_compiler(net, x):
        calls.append(x)
        raise torch._dynamo.exc.BackendCompilerFailed(None, RuntimeError("no C++ compiler"), None)

    calls, execution = [], CompiledForward()
    execution.forward.compiled = no_compiler
    assert_same(gan_steps(execution), gan_steps(EagerForward()))
    said = capsys.readouterr().err
    assert len(calls) == 1 and said.count("\n") == 1 and "no C++ compiler" in said


class Captured:
    """A generator of a GPU whose state nobody may read, for a graph is being recorded."""

    device = torch.device("cuda")

    def get_state(self):
        raise RuntimeError("Cannot call CUDAGeneratorImpl::current_seed during CUDA graph capture")


def test_while_a_graph_is_recorded_no_state_is_read_and_a_failure_is_the_recordings(monkeypatch, capsys):
    def no_compiler(net, x):
        raise torch._dynamo.exc.BackendCompilerFailed(None, RuntimeError("no compiler"), None)

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: True)
    execution, net, x = CompiledForward(), nn.Linear(3, 2), torch.rand(5, 3)
    execution.forward.compiled = lambda net, x: net(x)
    torch.testing.assert_close(execution(net, x, Captured()), net(x), rtol=0, atol=0)
    execution.forward.compiled = no_compiler
    with pytest.raises(RuntimeError, match="no compiler"):
        execution(net, x, Captured())
    assert not execution.forward.failed and capsys.readouterr().err == ""


def test_an_error_of_the_network_itself_is_not_taken_for_one_of_the_compiler():
    execution = CompiledForward()
    execution.forward.compiled = lambda net, x: net(x)
    with pytest.raises(RuntimeError, match="shape"):
        execution(DenseDiscriminator((1, 4, 4), 3), torch.rand(5, 1, 9, 9), None)


class Twice(nn.Module):
    """One layer of noise, passed twice."""

    def __init__(self):
        super().__init__()
        self.noise = GaussianNoise(1.0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.noise(x) + self.noise(x)


@pytest.mark.parametrize("net", [nn.Sequential(GaussianNoise(1.0), Dropout(0.5), GaussianNoise(0.1)), Twice()])
def test_layers_draw_before_a_compiled_pass_in_their_order_and_within_it_where_one_draws_twice(net):
    x, before = torch.rand(3, 4), copy.deepcopy(net.state_dict())
    found = []
    for execution in (traced(), EagerForward()):
        generator = torch.Generator().manual_seed(0)
        found.append([execution(net, x, generator) for _ in range(2)] + [generator.get_state()])
    assert_same(*found)
    assert all(layer.given is None and layer.generator is None for layer in net.modules() if isinstance(layer, GaussianNoise))
    assert_same(net.state_dict(), before)


def test_what_a_pass_needs_is_found_without_a_draw():
    net, x = DenseDiscriminator((1, 4, 4), 3, widths=(5, 6)), torch.rand(8, 1, 4, 4)
    before = torch.get_rng_state()
    with torch.autocast("cpu", torch.bfloat16):
        found = needs(net, x)
    assert [(need.layer, need.fill, tuple(need.size), need.dtype) for need in found] == [
        (k, "normal_", (8, width), torch.float32) for k, width in enumerate((16, 5, 6))
    ]
    assert needs(net.eval(), x) == needs(Twice(), x) == []
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
def test_compiled_steps_of_adam_are_the_plain_ones_with_other_rates_and_betas_too(backend):
    torch.manual_seed(0)
    start, found = [torch.randn(3, 4, dtype=torch.float64), torch.randn(2, dtype=torch.float64)], []
    for compiled in (None, Compiled(moved, "steps are", backend=backend)):
        params = [nn.Parameter(p.clone()) for p in start]
        optimizer, draws = AdamInside(params, 0.1), torch.Generator().manual_seed(1)
        optimizer.compiled = compiled
        for step in range(6):
            for p in params:
                p.grad = torch.randn(p.shape, generator=draws, dtype=torch.float64) * 1e-3
            if step == 4:
                params[1].grad = None  # from here on their steps differ
            optimizer.param_groups[0].update(lr=0.1 / (step + 1), betas=(0.5 + 0.1 * (step > 2), 0.999))
            optimizer.step()
        found.append([*params, *(optimizer.state[p][name] for p in params for name in ("m", "v"))])
        assert [optimizer.state[p]["step"] for p in params] == [6, 5]
    torch.testing.assert_close(*found, rtol=1e-12, atol=1e-15)


def test_the_compilers_relu_has_torchs_values_and_gradients_at_zero_too():
    x = torch.tensor([-2.0, -0.0, 0.0, 1e-30, 3.0], dtype=torch.float64, requires_grad=True)
    g = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0], dtype=torch.float64)
    ours, theirs = Rectified.apply(x), torch.relu(x)
    assert torch.equal(ours, theirs) and torch.equal(torch.autograd.grad(ours, x, g)[0], torch.autograd.grad(theirs, x, g)[0])
