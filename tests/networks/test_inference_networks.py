"""ALI's networks: the layers of their source, z by the normal distribution function, the classifier, and what is refused."""

import inspect

import pytest
import torch
from scipy.special import ndtr
from torch import nn

from gan_sntg.errors import InputError
from gan_sntg.networks.inference import (
    ConvInferenceEncoder,
    ConvJointDiscriminator,
    DenseInferenceEncoder,
    DenseJointDiscriminator,
    InferringClassifier,
    Maxout,
)
from gan_sntg.networks.noise import Dropout, GaussianNoise
from gan_sntg.networks.passes import drawing_from
from gan_sntg.networks.weight_norm import WeightNorm, data_dependent_init

CHAIN = [(3, 1, 5, 1), (1, 2, 4, 2), (2, 4, 4, 1), (4, 8, 4, 2), (8, 16, 4, 1)]  # inputs, units, kernel, stride; a 32nd of the source's


def test_the_convolutional_encoder_has_the_layers_of_the_source():
    assert [inspect.signature(kind).parameters["width"].default for kind in (ConvInferenceEncoder, ConvJointDiscriminator)] == [512, 512]
    net = ConvInferenceEncoder((3, 32, 32), latent=5, width=16)
    convs = [m for m in net.hidden if isinstance(m, nn.Conv2d)]
    assert [(m.in_channels, m.out_channels, m.kernel_size[0], m.stride[0]) for m in convs] == CHAIN
    assert [type(m).__name__ for m in net.hidden] == [
        *["Conv2d", "BatchNorm", "LeakyReLU"] * 5,
        "Flatten",
        "Linear",
        "BatchNorm",
        "LeakyReLU",
    ]
    assert {m.negative_slope for m in net.hidden if isinstance(m, nn.LeakyReLU)} == {0.1} and net.out.v.shape == (10, 16)
    assert all(m.bias is None for m in net.hidden if isinstance(m, nn.Conv2d | nn.Linear))
    assert net.hidden[:16](torch.zeros(2, 3, 32, 32)).shape == (2, 16) and net(torch.zeros(2, 3, 32, 32)).shape == (2, 5)


def test_the_convolutional_discriminator_has_the_layers_of_the_source_with_maxout_and_dropout():
    net = ConvJointDiscriminator((3, 32, 32), 4, latent=5, width=16)
    convs = [m.v.shape for m in net.of_x if isinstance(m, WeightNorm)]
    assert [tuple(shape) for shape in convs] == [(2 * b, a, kernel, kernel) for a, b, kernel, _ in CHAIN]
    dense = [[tuple(m.v.shape) for m in part if isinstance(m, WeightNorm)] for part in (net.of_z, net.joint, net.out)]
    assert dense == [[(32, 5), (32, 16)], [(64, 32), (64, 32)], [(4, 32)]]
    dropouts = [[m.p for m in part if isinstance(m, Dropout)] for part in (net.of_x, net.of_z, net.joint, net.out)]
    assert dropouts == [[0.2, 0.5, 0.5, 0.5, 0.5], [0.2, 0.5], [0.5, 0.5], [0.5]]
    h, logits = net.eval()((torch.rand(2, 3, 32, 32), torch.rand(2, 5)))
    assert h.shape == (2, 32) and logits.shape == (2, 4)
    torch.testing.assert_close(net.out(h), logits)


def test_maxout_is_the_greater_of_two_channels():
    x = torch.tensor([[1.0, 5.0, 3.0, 2.0]])
    assert torch.equal(Maxout()(x), torch.tensor([[3.0, 5.0]]))
    assert Maxout()(torch.rand(2, 6, 4, 4)).shape == (2, 3, 4, 4)


def test_the_dense_discriminator_sees_noisy_pixels_and_z_of_deviation_1_without_noise():
    net, x, z = DenseJointDiscriminator((1, 4, 4), 3, latent=5000, widths=(6,)), torch.zeros(9, 1, 4, 4), torch.rand(9, 5000)
    seen = []
    net.joint.hidden[0].register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    h, logits = net((x, z))
    assert h.shape == (9, 6) and logits.shape == (9, 3)
    torch.testing.assert_close(seen[0][:, 16:], (z - 0.5) * 12**0.5)
    assert seen[0][:, 16:].std() == pytest.approx(1, abs=0.02) and seen[0][:, :16].std() == pytest.approx(0.3, rel=0.3)
    assert [m.std for m in net.modules() if isinstance(m, GaussianNoise)] == [0.3, 0.0, 0.5]


def test_z_is_sampled_in_training_and_the_median_in_evaluation():
    torch.manual_seed(0)
    net, x = DenseInferenceEncoder((1, 4, 4), latent=3, widths=(7,)).double(), torch.rand(20, 1, 4, 4).double()
    mean, log_std = net.posterior(x)
    with drawing_from(net, torch.Generator().manual_seed(5)):
        found = net(x)
    noise = torch.empty_like(mean).normal_(generator=torch.Generator().manual_seed(5))
    torch.testing.assert_close(found, torch.from_numpy(ndtr((mean + log_std.exp() * noise).detach().numpy())))
    mean, _ = net.eval().posterior(x)
    torch.testing.assert_close(net(x), torch.from_numpy(ndtr(mean.detach().numpy())))
    torch.testing.assert_close(net(x[:1]), net(x)[:1])  # whatever else is in the batch


def test_before_training_z_is_all_but_the_prior_whatever_the_image():
    torch.manual_seed(0)
    net, x = DenseInferenceEncoder((1, 4, 4), latent=50, widths=(30,)), torch.rand(200, 1, 4, 4)
    data_dependent_init(net, x)
    z = net(x).detach()
    assert z.mean() == pytest.approx(0.5, abs=0.01) and z.var() == pytest.approx(1 / 12, rel=0.05)


def test_log_std_is_bounded_and_z_finite_in_any_precision():
    net = DenseInferenceEncoder((1, 4, 4), latent=2, widths=(7,))
    with torch.no_grad():
        net.out.b.copy_(torch.tensor([0.0, 0.0, 1e4, -1e4]))
    x = torch.rand(6, 1, 4, 4)
    assert net.posterior(x)[1].aminmax() == (-8.0, 8.0)
    with torch.autocast("cpu", torch.bfloat16):
        z = net(x)
    assert z.dtype == torch.float32 and z.isfinite().all()
    (grad,) = torch.autograd.grad(z.sum(), net.out.b)
    assert grad.isfinite().all()


def test_the_classifier_passes_gradients_into_both_networks_and_needs_one_size_of_z():
    torch.manual_seed(0)
    parts = DenseJointDiscriminator((1, 4, 4), 3, latent=5, widths=(6,)), DenseInferenceEncoder((1, 4, 4), latent=5, widths=(7,))
    net, x = InferringClassifier(*parts), torch.rand(6, 1, 4, 4)
    grads = torch.autograd.grad(net(x)[1].square().sum(), [net.pairs.joint.out.v, net.encoder.out.v])
    assert all(grad.abs().max() > 0 for grad in grads)
    with pytest.raises(InputError, match="the discriminator's latent is 5, the encoder's 4; give them the same"):
        InferringClassifier(parts[0], DenseInferenceEncoder((1, 4, 4), latent=4, widths=(7,)))


REFUSED = {
    "take images of 32 x 32 pixels, but an example has shape": (ConvInferenceEncoder, ((1, 28, 28),)),
    "use DenseInferenceEncoder and DenseJointDiscriminator": (ConvJointDiscriminator, ((2,), 3)),
    "cannot be halved 4 times; give a multiple of 16": (ConvInferenceEncoder, ((3, 32, 32), 64, 40)),
    "latent of the encoder is 0": (DenseInferenceEncoder, ((1, 4, 4), 0)),
    "at least one hidden layer": (DenseInferenceEncoder, ((1, 4, 4), 5, ())),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_images_and_sizes_that_have_no_form_are_refused(reason):
    kind, arguments = REFUSED[reason]
    with pytest.raises(InputError, match=reason):
        kind(*arguments)
