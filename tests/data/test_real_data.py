"""The real files: what is published of their counts and statistics, and what whitening makes of them."""

import pytest
import torch

from gan_sntg.data import public
from gan_sntg.data.normalization import ZCA, ContrastZCA, UnregularizedZCA
from gan_sntg.data.public import CIFAR10


def statistics(x: torch.Tensor) -> tuple[list[float], list[float]]:
    """Mean and standard deviation of each channel of x / 255, to four digits."""
    values, found = torch.arange(256, dtype=torch.float64) / 255, []
    for channel in x.transpose(0, 1):
        share = torch.bincount(channel.flatten(), minlength=256) / channel.numel()
        mean = float(share.double() @ values)
        found.append((round(mean, 4), round(float(share.double() @ (values - mean) ** 2) ** 0.5, 4)))
    return [mean for mean, _ in found], [std for _, std in found]


def test_the_published_mnist_has_its_counts_and_statistics(real):
    mnist = public.MNIST(real(*public.MNIST.files))
    assert mnist.train_x.shape == (60_000, 1, 28, 28) and mnist.test_x.shape == (10_000, 1, 28, 28)
    assert torch.bincount(mnist.train_y).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert torch.bincount(mnist.test_y).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert mnist.validation.tolist() == list(range(50_000, 60_000))
    assert statistics(mnist.train_x) == ([0.1307], [0.3081])


def test_the_cpu_sized_mnist_is_a_sixth_of_it_and_keeps_the_test_images(real):
    part, whole = public.MNIST10k(real(*public.MNIST.files)), public.MNIST(real(*public.MNIST.files))
    assert torch.equal(part.train_x, whole.train_x[:10_000]) and torch.equal(part.test_y, whole.test_y)
    assert part.validation.tolist() == list(range(8_000, 10_000)) and part.sha256 != whole.sha256


def test_the_published_cifar10_has_its_counts_and_statistics(real):
    cifar = public.CIFAR10(real(*public.CIFAR10.files))
    assert cifar.train_x.shape == (50_000, 3, 32, 32) and cifar.test_x.shape == (10_000, 3, 32, 32)
    assert torch.bincount(cifar.train_y).tolist() == [5000] * 10 and torch.bincount(cifar.test_y).tolist() == [1000] * 10
    assert statistics(cifar.train_x) == ([0.4914, 0.4822, 0.4465], [0.247, 0.2435, 0.2616])


def test_the_published_cifar100_has_its_counts_and_statistics(real):
    cifar = public.CIFAR100(real(*public.CIFAR100.files))
    assert torch.bincount(cifar.train_y).tolist() == [500] * 100 and torch.bincount(cifar.test_y).tolist() == [100] * 100
    assert statistics(cifar.train_x) == ([0.5071, 0.4865, 0.4409], [0.2673, 0.2564, 0.2762])


def test_the_real_part_of_svhn_has_its_counts(real):
    part = public.SVHNPart(real("svhn_part.npz"))
    assert part.train_x.shape == (8583, 3, 32, 32) and part.test_x.shape == (2490, 3, 32, 32)
    assert torch.bincount(part.test_y).tolist() == [173, 517, 394, 268, 215, 223, 193, 209, 151, 147]


@pytest.mark.parametrize(("name", "counts"), [("FashionMNIST", (60_000, 10_000)), ("SVHN", (73_257, 26_032))])
def test_the_published_set_has_its_counts(real, name, counts):
    source = getattr(public, name)(real(*getattr(public, name).files))
    assert (len(source.train_y), len(source.test_y)) == counts and len(source.train_y.unique()) == 10


def covariance(x: torch.Tensor) -> torch.Tensor:
    rows = x.double().flatten(1)
    rows = rows - rows.mean(0)
    return rows.T @ rows / len(rows)


@pytest.fixture(scope="module")
def real_images(real):
    """5,000 real CIFAR-10 training images."""
    return CIFAR10(real(*CIFAR10.files)).train_x[:5000]


REGULARISER = {ZCA: 1e-5, UnregularizedZCA: 0.0, ContrastZCA: 0.1}
LEADING = {ZCA: 30, UnregularizedZCA: 768, ContrastZCA: 3}  # directions of so much variance, at the least


@pytest.mark.parametrize("variant", REGULARISER)
def test_real_cifar10_images_get_the_covariance_of_theory(real_images, variant):
    """S gain(S)^2 along each direction: the identity wherever the variance is 1,100 times the variant's regulariser."""
    x = real_images[:, :, ::2, ::2]  # 768 numbers an image: the 3,072 of the whole take half a minute
    whitening = variant()
    whitening.fit(x)
    s, u = torch.linalg.eigh(covariance(whitening.scale(x)))
    theory = u @ (s.clamp_min(0) * whitening.gain(s.clamp_min(1e-300)) ** 2).diag() @ u.T
    found = covariance(whitening(x))
    torch.testing.assert_close(found, theory, atol=1e-3, rtol=0)
    leading = u[:, s > 1100 * REGULARISER[variant]]
    assert leading.shape[1] >= LEADING[variant]
    torch.testing.assert_close(leading.T @ found @ leading, torch.eye(leading.shape[1], dtype=torch.float64), atol=1e-3, rtol=0)
