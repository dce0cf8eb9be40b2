"""FM-GAN with the convolutional pair: how it starts, and which term moves which network."""

import torch
from helpers.tiny import gan, norms, started, streams, weights

from gan_sntg.data.loader import Batch, Examples
from gan_sntg.graph.pairs import Halves
from gan_sntg.graph.teachers import SamePass
from gan_sntg.losses import Matching
from gan_sntg.methods.feature_matching import FeatureMatchingGAN
from gan_sntg.networks.conv_gan import ConvDiscriminator, ConvGenerator
from gan_sntg.rng import purpose_generator


def conv_gan(**options):
    torch.manual_seed(0)
    nets = ConvDiscriminator((1, 28, 28), 3, widths=(4, 6)), ConvGenerator((1, 28, 28), latent=5, width=4)
    method = FeatureMatchingGAN(*nets, SamePass(), Halves(), 60, 3, **options).double()
    method.seed(0, "cpu")
    return method


def conv_batch(n: int = 10) -> Batch:
    x = torch.rand(n, 1, 28, 28, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    view = Examples(x, torch.arange(n) % 3, torch.arange(n))
    return Batch(view, view, view)


def test_a_generator_that_starts_from_data_is_started_on_z_of_its_own_generator():
    method = conv_gan()
    method.start(conv_batch(40))
    method.generators = {"z": purpose_generator(0, "z")}
    generator = method.generator
    drawn = generator.out(generator.hidden(method.draw_z(40))).detach()
    torch.testing.assert_close(drawn.mean(), torch.zeros((), dtype=torch.float64), atol=1e-9, rtol=0)
    torch.testing.assert_close(drawn.std(correction=0), torch.tensor(0.1, dtype=torch.float64), atol=1e-6, rtol=0)


def test_the_start_of_the_dense_pair_draws_no_z_and_leaves_its_generator():
    method = gan()
    weights_before, state = weights(method.generator), method.generators["z"].get_state()
    started(method, streams())
    assert torch.equal(weights(method.generator), weights_before) and torch.equal(method.generators["z"].get_state(), state)


def test_every_term_of_the_convolutional_pair_moves_the_network_that_it_should_and_no_other():
    method, batch = conv_gan(weight=0.5, matching=Matching.absolute), conv_batch()
    method.start(batch)
    for name, term in method.discriminator_terms(batch, 1).items():
        found = norms(method, term)
        assert found["d"] > 0 and found["g"] == 0, name
    g = weights(method.generator)
    log = method.step(batch, 1)
    assert not torch.equal(weights(method.generator), g) and len(log) == 5
    assert all(value.isfinite() for value in log.values())
