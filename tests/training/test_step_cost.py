"""Fast equals plain: twenty steps on images stored channels last, and of passes in bfloat16, beside those as they are written down."""

import pytest
import torch
from helpers.method_factories import ALL, made, prepared
from helpers.tiny import Squares, UnitRange64, gan, started, streams

from gan_sntg.benchmarks.baseline import keep_layout
from gan_sntg.graph.sntg import SNTG
from gan_sntg.graph.teachers import Averaged
from gan_sntg.methods.feature_matching import FeatureMatchingGAN
from gan_sntg.networks.conv_gan import ConvDiscriminator, ConvGenerator
from gan_sntg.networks.noise import noise_layers
from gan_sntg.networks.precision import Precision

STEPS = 20
SHAPE = (1, 28, 28)


def twenty(method, from_streams, precision) -> dict[str, torch.Tensor]:
    """Terms of each step, [STEPS] a term."""
    found = []
    while len(found) < STEPS:
        for batch in from_streams.epoch():
            with precision("cpu"):
                found.append(method.step(batch, 1))
    return {name: torch.stack([terms[name] for terms in found[:STEPS]]) for name in found[0]}


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


def test_a_convolutional_gan_takes_the_same_steps_whichever_way_images_are_stored():
    results = []
    for layout in (lambda net: None, keep_layout):
        torch.manual_seed(0)
        nets = {"discriminator": ConvDiscriminator(SHAPE, 3, widths=(4, 6)), "generator": ConvGenerator(SHAPE, latent=5, width=8)}
        for layer in noise_layers(nets["discriminator"]):  # whose draws hang on how images lie in memory
            layer.std = layer.p = 0
        method = FeatureMatchingGAN(**nets, teacher=Averaged(0.9), sntg=SNTG(1.0)).double()
        method.prepare(Squares(), streams().pool)
        method.seed(0, "cpu")
        x = torch.rand(30, *SHAPE, generator=torch.Generator().manual_seed(1), dtype=torch.float64) * 2 - 1
        batch = next(iter(streams(normalization=UnitRange64).epoch()))
        views = [view._replace(x=x[10 * k : 10 * k + 10]) for k, view in enumerate(batch)]
        layout(method)
        method.start(batch._replace(labeled=views[0], unlabeled=views[1], unlabeled_g=views[2]))
        terms = [method.step(type(batch)(*views), 1) for _ in range(STEPS)]
        results.append({name: torch.stack([t[name] for t in terms]) for name in terms[0]})
    torch.testing.assert_close(*results, rtol=1e-6, atol=1e-12)
