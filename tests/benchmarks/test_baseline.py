"""The usual way that benchmarks compare with: the same terms as the method's own, from separate passes and single images."""

import copy

import pytest
import torch
from helpers.method_factories import ALL, made, prepared
from helpers.tiny import Squares, UnitRange64, gan, started, streams, weights

from gan_sntg.benchmarks.baseline import NaiveStep, Pictures, keep_layout
from gan_sntg.data.augmentation import Augmentation
from gan_sntg.data.loader import Loader
from gan_sntg.graph.sntg import SNTG
from gan_sntg.graph.teachers import Averaged
from gan_sntg.methods.feature_matching import FeatureMatchingGAN
from gan_sntg.networks.classifiers import ConvNet13, SmallConvNet
from gan_sntg.networks.conv_gan import ConvDiscriminator, ConvGenerator
from gan_sntg.networks.noise import Noise

NETS = {
    "discriminator": lambda: ConvDiscriminator((3, 32, 32), 4, widths=(6, 8)),
    "generator": lambda: ConvGenerator((3, 32, 32), latent=5, width=16),
    "thirteen": lambda: ConvNet13((3, 32, 32), 4, widths=(6, 8, 8)),
    "small": lambda: SmallConvNet((1, 28, 28), 4),
}


def silent(net):
    """The net without noise, whose draws hang on how images lie in memory."""
    for layer in (m for m in net.modules() if isinstance(m, Noise)):
        layer.std = layer.p = 0
    return net


@pytest.mark.parametrize("kind", NETS)
def test_networks_that_keep_the_layout_compute_the_same_and_take_images_as_they_come(kind):
    torch.manual_seed(0)
    net = silent(NETS[kind]().double())
    x = torch.rand(4, 5) if kind == "generator" else torch.rand(4, *((1, 28, 28) if kind == "small" else (3, 32, 32)))
    seen = []
    layers = [m for m in net.modules() if "Conv" in type(m).__name__ and hasattr(m, "v")]
    layers[-1].register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].is_contiguous()))
    plain, results = copy.deepcopy(net), []
    keep_layout(plain)
    for own in plain, net:
        y = own(x.double())
        y = y if kind == "generator" else y[1]
        results.append((y, torch.autograd.grad(y.square().sum(), [p for p in own.parameters() if p.requires_grad])))
    torch.testing.assert_close(results[0], results[1])
    assert seen == [True, False]


def test_a_convolutional_gan_takes_the_same_steps_whichever_way_images_are_stored():
    results, shape = [], (1, 28, 28)
    for layout in (lambda net: None, keep_layout):
        torch.manual_seed(0)
        nets = silent(ConvDiscriminator(shape, 3, widths=(4, 6))), ConvGenerator(shape, latent=5, width=8)
        method = FeatureMatchingGAN(discriminator=nets[0], generator=nets[1], teacher=Averaged(0.9), sntg=SNTG(1.0)).double()
        method.prepare(Squares(), streams().pool)
        method.seed(0, "cpu")
        x = torch.rand(30, *shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64) * 2 - 1
        batch = next(iter(streams(normalization=UnitRange64).epoch()))
        views = [view._replace(x=x[10 * k : 10 * k + 10]) for k, view in enumerate(batch)]
        layout(method)
        method.start(batch._replace(labeled=views[0], unlabeled=views[1], unlabeled_g=views[2]))
        terms = [method.step(type(batch)(*views), 1) for _ in range(8)]
        results.append({name: torch.stack([t[name] for t in terms]) for name in terms[0]})
    torch.testing.assert_close(*results, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("name", ["gan", *ALL])
def test_a_naive_step_has_the_methods_own_terms_and_moves_every_network(name):
    s = streams() if name == "gan" else None
    method = started(gan(teacher=Averaged(0.5), weight=1.0), s) if name == "gan" else made(name)
    s = s or prepared(method)
    names = set(method.step(next(iter(s.epoch())), 1))
    step = NaiveStep(method, s, workers=0)
    before = {name: weights(net).clone() for name, net in method.named_children() if list(net.parameters())}
    values = step(1)
    assert set(values) == names and all(isinstance(v, float) and v == v for v in values.values())
    assert all(not torch.equal(weights(net), before[name]) for name, net in method.named_children() if name in before)


def test_the_naive_gan_takes_its_terms_from_separate_passes(monkeypatch):
    s = Loader(streams().pool, 10, 0, labeled_batch_size=6)
    method = started(gan(teacher=Averaged(0.5), weight=1.0), s)
    sizes = []
    method.discriminator.register_forward_pre_hook(lambda module, inputs: sizes.append(len(inputs[0])))
    NaiveStep(method, s, workers=0)(1)
    assert sizes == [6, 10, 10, 10, 10]  # labelled, unlabelled, generated; then real and generated for G


@pytest.mark.parametrize("views", [1, 2])
def test_pictures_are_varied_one_by_one_as_often_as_there_are_views(views, monkeypatch):
    s = streams()
    pictures, made_of = Pictures(s.pool, s.pool.unlabeled, Augmentation(translation=1, flip=True), views), []
    vary = pictures.vary
    monkeypatch.setattr(pictures, "vary", lambda picture: made_of.append(picture) or vary(picture))
    x, y, index = pictures[3]
    assert len(made_of) == views and x.shape == (1, 4, 4) and index == int(s.pool.unlabeled[3]) and y == int(s.pool.y[index])
    still = Pictures(s.pool, s.pool.unlabeled, Augmentation(), 1)
    torch.testing.assert_close(still[3][0], (s.pool.x[index] / 255 - 0.5) / 0.5)
