"""CatGAN's discriminators: the layers of their sources, h and logits, and what is refused."""

import pytest
import torch

from gan_sntg.errors import InputError
from gan_sntg.networks.gan import BatchNormConvNet, BatchNormDiscriminator
from gan_sntg.networks.noise import GaussianNoise


def test_the_default_discriminator_is_the_mnist_network_with_noise_before_each_norm():
    net = BatchNormDiscriminator((1, 28, 28), 10)
    linear = [m for m in net.modules() if isinstance(m, torch.nn.Linear)]
    assert [(m.in_features, m.out_features) for m in linear] == [(784, 1000), (1000, 500), (500, 250), (250, 250), (250, 250), (250, 10)]
    kinds = [type(layer).__name__ for layer in net.hidden]
    assert kinds == ["Flatten", "GaussianNoise", *["Linear", "GaussianNoise", "BatchNorm", "LeakyReLU"] * 5]
    assert {m.std for m in net.modules() if isinstance(m, GaussianNoise)} == {0.3}
    h, logits = net(torch.rand(3, 1, 28, 28))
    assert h.shape == (3, 250) and logits.shape == (3, 10)
    torch.testing.assert_close(net.out(h), logits)
    with pytest.raises(InputError, match="at least one hidden layer"):
        BatchNormDiscriminator((1, 4, 4), 3, widths=())


def test_the_convolutional_discriminator_has_the_layers_of_the_cifar_network():
    net = BatchNormConvNet((3, 32, 32), 10)
    convs = [m for m in net.features if isinstance(m, torch.nn.Conv2d)]
    assert [(m.in_channels, m.out_channels, m.kernel_size[0]) for m in convs] == [
        *[(3, 96, 3), (96, 96, 3), (96, 96, 3)],
        *[(96, 192, 3), (192, 192, 3), (192, 192, 3)],
        *[(192, 192, 3), (192, 192, 1)],
    ]
    kinds = [type(layer).__name__ for layer in net.features]
    unit = ["Conv2d", "GaussianNoise", "BatchNorm", "LeakyReLU"]
    assert kinds == ["GaussianNoise", *[*unit * 3, "MaxPool2d"] * 2, *unit * 2]
    small = BatchNormConvNet((1, 28, 28), 4, widths=(3, 5)).double().eval()
    x = torch.rand(2, 1, 28, 28, dtype=torch.float64)
    maps, (h, logits) = small.features(x), small(x)
    assert maps.shape == (2, 5, 5, 5)
    torch.testing.assert_close(h, maps.mean((2, 3)))
    torch.testing.assert_close(logits, torch.nn.functional.linear(maps.permute(0, 2, 3, 1), small.out.weight, small.out.bias).mean((1, 2)))


@pytest.mark.parametrize(("shape", "widths", "said"), [((1, 8, 8), (4, 4), "12 or more pixels"), ((1, 28, 28), (4, 0), "two numbers of")])
def test_a_convolutional_discriminator_without_room_or_channels_is_refused(shape, widths, said):
    with pytest.raises(InputError, match=said):
        BatchNormConvNet(shape, 3, widths=widths)
