"""The MLP pair: sizes of the source, ranges, and what is frozen."""

import pytest
import torch

from gan_sntg.errors import InputError
from gan_sntg.networks.dense_gan import DenseDiscriminator, DenseGenerator


def test_the_default_discriminator_is_the_mnist_network():
    net = DenseDiscriminator((1, 28, 28), 10)
    assert [tuple(layer.v.shape) for layer in net.hidden] == [(1000, 784), (500, 1000), (250, 500), (250, 250), (250, 250)]
    assert [noise.std for noise in net.noise] == [0.3] + [0.5] * 5
    assert not any(layer.g.requires_grad for layer in net.hidden) and net.out.g.requires_grad
    h, logits = net(torch.rand(3, 1, 28, 28))
    assert h.shape == (3, 250) and logits.shape == (3, 10)


def test_h_is_taken_before_its_noise_and_the_logits_after():
    net = DenseDiscriminator((1, 2, 2), 3, widths=(4,), input_noise=0.0, hidden_noise=0.5)
    x = torch.rand(5, 1, 2, 2)
    (h1, l1), (h2, l2) = net(x), net(x)
    assert torch.equal(h1, h2) and not torch.equal(l1, l2)


def test_the_default_generator_is_the_mnist_network_with_images_in_the_unit_range():
    net = DenseGenerator((1, 28, 28))
    assert [tuple(m.weight.shape) for m in net.hidden if isinstance(m, torch.nn.Linear)] == [(500, 100), (500, 500)]
    images = net(torch.rand(4, 100))
    assert images.shape == (4, 1, 28, 28) and images.min() >= 0 and images.max() <= 1
    assert net.out.g.requires_grad and all(p.requires_grad for p in net.parameters())


@pytest.mark.parametrize("widths", [(), (8, 0)])
def test_a_network_without_a_hidden_layer_is_refused(widths):
    with pytest.raises(InputError, match="at least one hidden layer"):
        DenseDiscriminator((1, 4, 4), 3, widths=widths)
    with pytest.raises(InputError, match="at least one hidden layer"):
        DenseGenerator((1, 4, 4), widths=widths)
