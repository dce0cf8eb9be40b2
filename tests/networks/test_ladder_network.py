"""Ladder networks on cases solved by hand, in float64: paths, norms, noise, decoder and the cost of a layer."""

from functools import partial

import pytest
import torch
from torch import Tensor

from gan_sntg.losses import denoising_loss
from gan_sntg.networks.ladder import Combinator, DenseLadder, LargeConvLadder, SmallConvLadder, Standardization
from gan_sntg.networks.passes import drawing_from

SHAPE, K = (1, 2, 3), 3


def ladder(noise: float = 0.0, random: bool = False, **options) -> DenseLadder:
    """Two hidden layers; random: no parameter is where it starts."""
    torch.manual_seed(0)
    net = DenseLadder(SHAPE, K, **({"widths": (5, 4)} | options), noise=noise).double()
    for p in net.parameters() if random else []:
        p.data += 0.5 * torch.randn_like(p)
    return net


def images(n: int = 7) -> Tensor:
    return torch.rand(n, *SHAPE, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def costs(net: DenseLadder, x: Tensor) -> list[Tensor]:
    """C_l of the decoded layers, from below."""
    clean, found = net.encode(x, noisy=False), net.reconstruct(net.encode(x, noisy=True))
    own = clean[len(clean) - len(found) :]
    return [denoising_loss(z, layer.z, layer.mean, layer.var) for z, layer in zip(found, own, strict=True)]


def test_at_the_start_reconstructions_are_0_and_a_cost_is_1_plus_the_mean_of_m_squared_over_s():
    net, x = ladder(noise=0.3), images()
    assert all((z == 0).all() for z in net.reconstruct(net.encode(x, noisy=True)))
    h, expected = x.flatten(1), [x.square().mean()]
    for layer in net.layers:
        pre = h @ layer.transform.weight.T
        expected.append(1 + (pre.mean(0).square() / pre.var(0, correction=0)).mean())
        h = ((pre - pre.mean(0)) / pre.std(0, correction=0)).relu()
    torch.testing.assert_close(costs(net, x), expected, rtol=1e-6, atol=0)


def column(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64).unsqueeze(1)


def test_the_cost_of_one_unit_whose_clean_values_are_0_and_2():
    z, mean, var = Standardization(1).double()(column(0, 2))
    torch.testing.assert_close((z, mean, var), (column(-1, 1), column(1)[0], column(1)[0]))
    for reconstruction, cost in ((column(1, 3), 1.0), (column(0, 2), 0.0)):
        assert float(denoising_loss(reconstruction, z, mean, var)) == pytest.approx(cost, abs=1e-9)
    assert float(denoising_loss(column(1, 3), column(0, 5))) == 2.5  # of the input, as it is


def test_the_cost_of_maps_is_a_mean_over_space_too():
    z, reconstruction = torch.randn(2, 3, 4, 2, 2, dtype=torch.float64)
    mean, var = torch.randn(4, dtype=torch.float64), torch.rand(4, dtype=torch.float64)
    expected = sum(
        float((reconstruction[b, c, i, j] - mean[c]) / (var[c] + 1e-10).sqrt() - z[b, c, i, j]) ** 2
        for b in range(3) for c in range(4) for i in range(2) for j in range(2)
    )  # fmt: skip
    assert float(denoising_loss(reconstruction, z, mean, var)) == pytest.approx(expected / 48)


def combined(u: Tensor, z: Tensor, **a: float) -> Tensor:
    """What the combinator makes of these a1 to a10, the others 0."""
    combine = Combinator(u.shape[1]).double()
    combine.a.data.zero_()
    for name, value in a.items():
        combine.a.data[int(name[1:]) - 1] = value
    return combine(u, z)


def test_the_combinator_gives_a_constant_the_identity_or_what_comes_from_above():
    u, z = torch.randn(2, 4, 3, dtype=torch.float64)
    torch.testing.assert_close(combined(u, z, a5=0.7), torch.full_like(z, 0.7))
    assert torch.equal(combined(u, z, a10=1.0), z) and torch.equal(combined(u, z, a4=1.0), u)


def test_the_combinator_is_its_formula_for_maps_and_starts_with_slopes_of_1():
    combine, (u, z) = Combinator(3).double(), torch.randn(2, 2, 3, 2, 2, dtype=torch.float64)
    assert combine.a[[1, 6]].eq(1).all() and combine.a.abs().sum() == 6
    a = combine.a.data = torch.randn(10, 3, dtype=torch.float64)
    for b, c in ((0, 0), (1, 2)):
        a1, a2, a3, a4, a5, a6, a7, a8, a9, a10 = a[:, c]
        mu = a1 * torch.sigmoid(a2 * u[b, c] + a3) + a4 * u[b, c] + a5
        v = a6 * torch.sigmoid(a7 * u[b, c] + a8) + a9 * u[b, c] + a10
        torch.testing.assert_close(combine(u, z)[b, c], (z[b, c] - mu) * v + mu)


def test_without_noise_the_paths_are_the_same_and_the_cost_is_0_on_the_scale_before_the_norm():
    net, x = ladder(random=True), images()
    clean, corrupted = net.encode(x, noisy=False), net.encode(x, noisy=True)
    assert all(torch.equal(a.z, b.z) and torch.equal(a.h, b.h) for a, b in zip(clean, corrupted, strict=True))
    for decoder in net.decoders:
        decoder.combine.a.data.zero_()
        decoder.combine.a.data[9] = 1.0
    found = net.reconstruct(corrupted)
    for cost, z, layer in zip(costs(net, x)[1:], found[1:], clean[1:], strict=True):
        assert torch.equal(z, layer.z)
        expected = ((layer.z - layer.mean) / layer.var.sqrt() - layer.z).square().mean()
        torch.testing.assert_close(cost, expected, rtol=1e-6, atol=0)
        assert expected > 1e-3
        assert denoising_loss(layer.var.sqrt() * layer.z + layer.mean, layer.z, layer.mean, layer.var) < 1e-12
    assert costs(net, x)[0] == 0


def test_noise_is_added_to_the_input_and_after_every_norm_from_the_generator_and_never_in_evaluation():
    net, x, generator = ladder(noise=0.3, random=True), images(), torch.Generator().manual_seed(5)
    with drawing_from(net, generator):
        found = net.encode(x, noisy=True)
    generator.manual_seed(5)

    def noisy(z: Tensor) -> Tensor:
        return z + 0.3 * torch.empty_like(z).normal_(generator=generator)

    z = h = noisy(x.flatten(1))
    for depth, layer in enumerate((None, *net.layers)):
        if layer is not None:
            pre = h @ layer.transform.weight.T
            z = noisy((pre - pre.mean(0)) / (pre.var(0, correction=0) + 1e-10).sqrt())
            h = (z + layer.bias).relu() if layer.scale is None else layer.scale * (z + layer.bias)
        torch.testing.assert_close((found[depth].z, found[depth].h), (z, h))
    assert [layer.scale is None for layer in net.layers] == [True, True, False]
    assert torch.equal(net.eval()(x)[1], net.encode(x, noisy=False)[-1].h)


def test_statistics_are_those_of_each_layer_on_the_layers_below_it_with_the_unbiased_factor():
    net, x = ladder(noise=0.3, random=True), images()
    net.fit_statistics(x)
    assert net.training
    h, other = x.flatten(1), 3 * images(4).flatten(1)
    for layer in net.layers:
        pre, mine = h @ layer.transform.weight.T, other @ layer.transform.weight.T
        mean, std = pre.mean(0), (pre.var(0, correction=1) + 1e-10).sqrt()
        h, other = ((z - mean) / std + layer.bias for z in (pre, mine))
        h, other = (z.relu() if layer.scale is None else layer.scale * z for z in (h, other))
    torch.testing.assert_close(net.eval()(3 * images(4))[1], other)
    torch.testing.assert_close(net(3 * images(4)[:1])[1], other[:1])  # of one image, whatever is beside it


def test_features_are_the_last_hidden_layer_of_the_same_path():
    net, x = ladder(random=True), images()
    path = net.encode(x, noisy=True)
    h, logits = net(x)
    assert torch.equal(h, path[-2].h) and h.shape == (7, 4) and torch.equal(logits, path[-1].h) and (h >= 0).all()


def test_the_gamma_model_decodes_the_top_alone_and_has_no_v():
    net = ladder(decoder="top")
    assert [name for name, _ in net.decoders.named_parameters()] == ["0.combine.a"] and len(costs(net, images())) == 1
    assert len(costs(ladder(), images())) == 4


def test_weights_start_with_variance_1_over_the_inputs():
    net = DenseLadder((1, 28, 28), 10)
    for layer in (*net.layers, *net.decoders[1:]):
        w = layer.transform.weight.detach()
        assert float(w.std()) == pytest.approx(w.shape[1] ** -0.5, rel=0.05)


def test_a_batch_twice_over_changes_no_cost():
    net, x = ladder(random=True), images()
    torch.testing.assert_close(costs(net, torch.cat([x, x])), costs(net, x))


@pytest.mark.parametrize("decoder", ["full", "top"])
def test_the_gradient_of_every_cost_is_that_of_finite_differences(decoder):
    net, x = ladder(random=True, decoder=decoder), images()
    params = list(net.parameters())
    for k, cost in enumerate(costs(net, x)):
        grads = torch.autograd.grad(cost, params, materialize_grads=True, retain_graph=True)
        d = [torch.randn_like(p) for p in params]
        slope, values = sum((g * own).sum() for g, own in zip(grads, d, strict=True)), []
        for sign in (1, -1):
            torch._foreach_add_([p.data for p in params], d, alpha=sign * 1e-6)
            values.append(costs(net, x)[k].detach())
            torch._foreach_add_([p.data for p in params], d, alpha=-sign * 1e-6)
        torch.testing.assert_close((values[0] - values[1]) / 2e-6, slope, rtol=1e-5, atol=1e-7)


SIZES = {  # sides of the maps of every layer, 0 of a vector
    "small": (SmallConvLadder, (1, 28, 28), [28, 32, 16, 14, 16, 8, 6, 6, 0, 0], 128, 1),
    "large": (partial(LargeConvLadder, widths=(4, 6)), (3, 32, 32), [32, 30, 32, 34, 17, 15, 17, 15, 8, 6, 6, 6, 0], 6, 0),
}


@pytest.mark.parametrize(("make", "shape", "sides", "features", "scales"), SIZES.values(), ids=SIZES.keys())
def test_the_convolutional_gamma_models_have_the_sources_maps_and_pooled_layers_are_linear(make, shape, sides, features, scales):
    torch.manual_seed(0)
    net, x = make(shape, 10, noise=0.0), torch.randn(4, *shape)
    clean, corrupted = net.encode(x, noisy=False), net.encode(x, noisy=True)
    assert [layer.z.shape[-1] if layer.z.dim() == 4 else 0 for layer in clean] == sides
    assert all(torch.equal(a.h, b.h) for a, b in zip(clean, corrupted, strict=True))
    h, logits = net(x)
    assert h.shape == (4, features) and logits.shape == (4, 10)
    torch.testing.assert_close(h, clean[net.feature_layer].h.mean((2, 3)))
    pools = [layer for layer in net.layers[:-1] if not list(layer.transform.parameters())]
    assert len(pools) == (3 if scales else 2) and all(layer.bias is None and layer.activation is None for layer in pools)
    assert sum(layer.scale is not None for layer in net.layers) == scales
    assert [len(z) for z in net.reconstruct(corrupted)] == [4]
    for layer in net.layers[:1]:
        w = layer.transform.weight.detach()
        assert float(w.square().mean() * w[0].numel()) == pytest.approx(1, rel=0.2) and w.abs().max() <= (3 / w[0].numel()) ** 0.5
    net.fit_statistics(x)
    torch.testing.assert_close(net.layers[0].norm.running_var, 4 / 3 * net.layers[0].transform(x).var((0, 2, 3), correction=0))
    assert net.eval()(x)[1].isfinite().all()
