"""bfloat16: networks compute in it, while what they return, losses, weights and averages stay float32 and close to float32's."""

import platform
from contextlib import nullcontext

import pytest
import torch
from helpers.classifiers import ANY
from helpers.classifiers import made as classifier
from helpers.method_factories import ALL, made, prepared
from helpers.tiny import assert_same, gan, started, streams

from gan_sntg.graph.teachers import Averaged
from gan_sntg.networks import passes
from gan_sntg.networks.classifiers import ConvNet13
from gan_sntg.networks.gan import ConvGenerator, DenseDiscriminator, DenseGenerator
from gan_sntg.networks.noise import RepeatedDraws
from gan_sntg.networks.passes import Precision, drawing_from, fast_precision, has_bfloat16, multiplications, processor


@ANY
def test_features_and_logits_are_float32_and_near_those_of_float32(make, shape):
    net, x = (part.float() for part in classifier(make, shape))
    net(x)  # statistics to evaluate with
    inner = []
    last = [m for m in net.eval().modules() if isinstance(m, torch.nn.LeakyReLU)] or [net.hidden[-1]]
    last[-1].register_forward_hook(lambda module, inputs, y: inner.append(y.dtype))
    exact = net(x)
    with Precision.bfloat16("cpu"):
        h, logits = net(x)
    assert h.dtype == logits.dtype == torch.float32 and inner == [torch.float32, torch.bfloat16]
    for found, expected in zip((h, logits), exact, strict=True):
        assert (found - expected).norm() < 0.05 * expected.norm()


@pytest.mark.parametrize("kind", [DenseGenerator, ConvGenerator])
def test_images_are_float32_and_near_those_of_float32(kind):
    torch.manual_seed(0)
    net = kind((1, 28, 28), **({"width": 16} if kind is ConvGenerator else {"widths": (30, 30)}))
    z = torch.rand(20, net.latent)
    exact = net(z)
    with Precision.bfloat16("cpu"):
        images = net(z)
    assert images.dtype == torch.float32
    torch.testing.assert_close(images, exact, atol=0.05, rtol=0)


def test_float32_is_a_step_without_autocast_bit_for_bit():
    found = []
    for context in Precision.float32("cpu"), nullcontext():
        s = streams()
        method = started(gan(weight=1.0), s)
        with context:
            found.append(method.step(next(iter(s.epoch())), 1))
    assert_same(*found)


@pytest.mark.parametrize("name", ALL)
def test_terms_of_a_method_are_float32_and_near_those_of_float32(name):
    found = {}
    for precision in Precision:
        method = made(name)
        batch = next(iter(prepared(method).epoch()))
        with precision("cpu"):
            found[precision] = method.terms(batch, 1)
    for term, exact in found[Precision.float32].items():
        value = found[Precision.bfloat16][term]
        assert value.dtype == torch.float32
        torch.testing.assert_close(value, exact, rtol=0.1, atol=2e-3)


def test_training_in_bfloat16_leaves_weights_and_averages_float32():
    s = streams()
    method = started(gan(weight=1.0), s)
    for t, batch in enumerate(s.epoch()):
        with Precision.bfloat16("cpu"):
            terms = method.step(batch, t)
    assert all(v.isfinite() and v.dtype == torch.float32 for v in terms.values())
    assert {v.dtype for v in method.state_dict().values() if v.is_floating_point()} == {torch.float32}


def test_vats_probe_is_computed_in_float32():
    method = made("vat", noise=0.0)
    x = next(iter(prepared(method).epoch())).unlabeled.x
    noise, start = RepeatedDraws(method.generators["noise"]), method.generators["direction"].get_state()
    _, clean, exact = method.direction(x, noise)
    method.generators["direction"].set_state(start)
    with Precision.bfloat16("cpu"):
        _, rounded, found = method.direction(x, noise)
    assert not torch.equal(rounded.detach(), clean.detach()) and torch.equal(found, exact)


def test_vats_direction_by_derivatives_in_bfloat16_is_near_that_of_float32():
    found = {}
    for precision in Precision:
        method = made("vat", noise=0.1, probe="derivatives")
        x = next(iter(prepared(method).epoch())).unlabeled.x
        with precision("cpu"):
            *_, d = method.direction(x, RepeatedDraws(method.generators["noise"]))
        assert d.dtype == torch.float32
        found[precision] = d.flatten(1)
    assert 0.95 < torch.cosine_similarity(*found.values()).min() < 1


def test_a_pass_after_an_update_takes_the_updated_parameters():
    torch.manual_seed(0)
    net, x = DenseDiscriminator((1, 8, 8), 10, widths=(20,)), torch.rand(4, 1, 8, 8)

    def logits():
        with drawing_from(net, torch.Generator().manual_seed(1)):
            return net(x)[1]

    with Precision.bfloat16("cpu"):
        before = logits()
        with torch.no_grad():
            net.hidden[0].b.add_(1)
            net.out.b.add_(1)
        within = logits()
    with Precision.bfloat16("cpu"):
        assert torch.equal(within, logits()) and not torch.equal(within, before)


def twenty(method, from_streams, precision) -> dict[str, torch.Tensor]:
    """Terms of each step, [20] a term."""
    found = []
    while len(found) < 20:
        for batch in from_streams.epoch():
            with precision("cpu"):
                found.append(method.step(batch, 1))
    return {name: torch.stack([terms[name] for terms in found[:20]]) for name in found[0]}


@pytest.mark.parametrize("name", ["gan", *ALL])
def test_terms_in_bfloat16_are_those_in_float32_within_a_tenth_over_the_steps_and_the_graphs_within_a_quarter(name):
    def means(precision):
        s = streams() if name == "gan" else None
        method = started(gan(teacher=Averaged(0.9), weight=1.0, learning_rate=1e-3), s) if s else made(name, learning_rate=1e-3)
        terms = twenty(method, s or prepared(method), precision)
        return {term: values.mean() for term, values in terms.items()}

    rounded, exact = means(Precision.bfloat16), means(Precision.float32)
    for term, value in exact.items():  # W of the graph is 0 or 1: a rounded prediction may join other pairs
        torch.testing.assert_close(rounded[term], value, rtol=0.25 if term.endswith("graph") else 0.1, atol=1e-3)


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 12, 16)])
def test_multiplications_are_those_of_weights_with_features(shape):
    dense, conv = DenseDiscriminator(shape, 10, widths=(30, 20)), ConvNet13(shape, 10, widths=(4, 6, 8))
    x, (c, h, w) = torch.rand(1, *shape), shape
    full, half, quarter = h * w, (h // 2) * (w // 2), (h // 4 - 2) * (w // 4 - 2)
    assert multiplications(dense, x) == c * h * w * 30 + 30 * 20 + 20 * 10
    blocks = 9 * full * (c * 4 + 2 * 4 * 4) + 9 * half * (4 * 6 + 2 * 6 * 6) + quarter * (9 * 6 * 8 + 8 * 6 + 6 * 4)
    assert multiplications(conv, x) == blocks + 4 * 10
    assert conv.training and not conv.out.mean.updates


@pytest.mark.parametrize(("has", "worth", "expected"), [(True, 71, "bfloat16"), (True, 73, "float32"), (False, 71, "float32")])
def test_the_fast_precision_is_bfloat16_of_enough_products_where_the_device_has_it(monkeypatch, has, worth, expected):
    monkeypatch.setattr(passes, "has_bfloat16", lambda device: has)
    monkeypatch.setattr(passes, "WORTH", worth)
    assert fast_precision(DenseDiscriminator((1, 2, 2), 3, widths=(9, 3)), torch.rand(1, 1, 2, 2)).name == expected  # 36 + 27 + 9


@pytest.mark.parametrize(("flags", "expected"), [({"amx_bf16": True}, True), ({"avx512_bf16": False}, False), ({}, False)])
def test_a_processor_has_bfloat16_by_its_flags(monkeypatch, flags, expected):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: flags, raising=False)
    assert has_bfloat16(torch.device("cpu")) is expected and not has_bfloat16(torch.device("mps"))


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ({"cpu_name": "One", "amx_bf16": True, "avx512_bf16": True}, "One, AMX"),
        ({"cpu_name": "Two", "avx512_bf16": True}, "Two, AVX-512 bf16"),
        ({"cpu_name": "Three"}, "Three, AVX9"),
        ({}, "aarch64, AVX9"),
    ],
)
def test_a_processor_is_named_with_its_widest_instructions(monkeypatch, known, expected):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: known, raising=False)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX9")
    monkeypatch.setattr(platform, "processor", lambda: "")
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    assert processor() == expected
