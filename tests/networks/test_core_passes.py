"""How the discriminative family's classifiers pass examples on: noise, statistics, averaged weights, precision and their start."""

import torch
from helpers.classifiers import EVERY, K, made, outputs
from torch import Tensor, nn

from gan_sntg.networks.batch_norm import frozen_statistics
from gan_sntg.networks.classifiers import VATConvNet
from gan_sntg.networks.ema import Average
from gan_sntg.networks.noise import drawing_from
from gan_sntg.networks.weight_norm import MeanOnly, data_dependent_init, starts_from_data


def seeded(net: nn.Module, x: Tensor, seed: int) -> Tensor:
    """The logits of a pass whose noise is drawn from a generator of the seed."""
    with drawing_from(net, torch.Generator().manual_seed(seed)):
        return net(x)[1]


def buffers(net: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in net.named_buffers()}


def counts(net: nn.Module) -> set[int]:
    """How many passes the running statistics have heard: those of mean-only and of ordinary batch norm."""
    return {int(value) for value in net.buffers() if value.dtype == torch.int64}


@EVERY
def test_evaluation_is_deterministic_and_no_example_hears_of_another(make, shape):
    net, x = made(make, shape)
    net(2 * x)  # statistics to evaluate with
    expected = net.eval()(x)
    torch.testing.assert_close(net(x), expected, rtol=0, atol=0)
    for other in (x[:1], x[:5], torch.cat([x[:5], 9 * x])):
        for found, whole in zip(net(other), expected, strict=True):
            torch.testing.assert_close(found[:1], whole[:1])


@EVERY
def test_in_training_every_example_hears_of_the_batch(make, shape):
    net, x = made(make, shape)
    passes = [seeded(net, batch, 1)[:2] for batch in (x, torch.cat([x[:2], 9 * x[2:]]))]
    assert not torch.isclose(*passes).any()


@EVERY
def test_training_passes_alone_update_the_running_statistics_and_not_if_frozen(make, shape):
    net, x = made(make, shape)
    net(x)
    with torch.no_grad():
        net(x)
    assert counts(net) == {2}
    before = buffers(net)
    with frozen_statistics(net):
        net(3 * x)
    net.eval()(3 * x)
    data_dependent_init(net, 3 * x)
    torch.testing.assert_close(buffers(net), before, rtol=0, atol=0)


@EVERY
def test_averaged_weights_are_evaluated_with_the_networks_own_running_statistics(make, shape):
    net, x = made(make, shape)
    average = Average(net, 0.5)
    for _ in range(3):
        net(x)
        for p in net.parameters():
            p.data.mul_(1.1)
        average.update(net)
    torch.testing.assert_close(buffers(average.net), buffers(net), rtol=0, atol=0)
    expected = make(shape, K).double().eval()
    expected.load_state_dict(dict(net.state_dict()) | dict(average.net.named_parameters()))
    torch.testing.assert_close(average.net(x), expected(x), rtol=0, atol=0)
    assert not torch.isclose(average.net(x)[1], net.eval()(x)[1]).any()


@EVERY
def test_noise_comes_from_the_named_generator(make, shape):
    net, x = made(make, shape)
    before = torch.get_rng_state()
    passes = [seeded(net, x, seed) for seed in (1, 1, 2)]
    assert torch.equal(before, torch.get_rng_state())
    assert torch.equal(passes[0], passes[1]) and not torch.isclose(passes[0], passes[2]).any()


@EVERY
def test_gradient_reaches_every_parameter_and_the_input(make, shape):
    net, x = made(make, shape)
    x.requires_grad_()
    h, logits = net(x)
    nn.functional.cross_entropy(logits, torch.arange(12) % K).backward()
    assert [name for name, p in net.named_parameters() if p.grad is None or float(p.grad.abs().max()) < 1e-8] == []
    assert x.grad.isfinite().all() and (x.grad.flatten(1).abs().sum(1) > 0).all()


@EVERY
def test_the_first_pass_standardises_every_weight_norm_layer_under_its_own_noise(make, shape):
    net, x = made(make, shape)
    with drawing_from(net, torch.Generator().manual_seed(1)):
        data_dependent_init(net, x)
    with drawing_from(net, torch.Generator().manual_seed(1)):
        found = outputs(net, x, (MeanOnly,))  # the logits are the last
    assert len(found) == len(starts_from_data(net)) and (len(found) > 0) != isinstance(net, VATConvNet)
    for y in found:
        values = y.transpose(0, 1).flatten(1)
        torch.testing.assert_close(values.mean(1), torch.zeros(len(values)).double(), atol=1e-9, rtol=0)
        torch.testing.assert_close(values.std(1, correction=0), torch.ones(len(values)).double(), atol=1e-5, rtol=0)
    assert all((layer.b == 0).all() for layer in starts_from_data(net))


@EVERY
def test_images_are_stored_channels_last_inside_and_that_changes_nothing(make, shape):
    net, x = made(make, shape)
    net(x)
    maps = outputs(net.eval(), x, (nn.LeakyReLU,))
    if x.dim() == 4:
        assert all(y.is_contiguous(memory_format=torch.channels_last) for y in maps)
        torch.testing.assert_close(net(x.contiguous(memory_format=torch.channels_last)), net(x))
    torch.testing.assert_close(net(x.transpose(0, -1).contiguous().transpose(0, -1)), net(x))


@EVERY
def test_one_backward_goes_through_two_passes_and_a_frozen_one(make, shape):
    net, x = made(make, shape)
    passes = [seeded(net, x, 1), seeded(net, 2 * x, 2)]
    with frozen_statistics(net):
        passes.append(seeded(net, 3 * x, 3))
    expected = [torch.autograd.grad(y[0, 0], list(net.parameters())[0], retain_graph=True)[0] for y in passes]
    sum(y[0, 0] for y in passes).backward()
    torch.testing.assert_close(next(net.parameters()).grad, sum(expected))


@EVERY
def test_h_and_logits_are_float32_whatever_the_precision_inside(make, shape):
    net, x = made(make, shape)
    net.float()
    with torch.autocast("cpu", torch.bfloat16):
        inside = net(x.float())
    for mixed, plain in zip(inside, net(x.float()), strict=True):
        assert mixed.dtype == plain.dtype == torch.float32
