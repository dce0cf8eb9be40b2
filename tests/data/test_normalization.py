"""Normalizations: scalings there and back, and ZCA as theory says, by statistics of the training images alone."""

import pytest
import torch

from gan_sntg.data import (
    CIFAR10,
    ZCA,
    ContrastZCA,
    Normalization,
    PerImage,
    Symmetric,
    SymmetricZCA,
    UnitRange,
    UnregularizedZCA,
    normalization,
)
from gan_sntg.errors import InputError

EVERY = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)
ALL = pytest.mark.parametrize("variant", [ZCA, SymmetricZCA, UnregularizedZCA, ContrastZCA])


@pytest.mark.parametrize(
    ("scaling", "low", "high"), [(UnitRange(), 0, 1), (Symmetric(), -1, 1), (Symmetric(128), -127.5 / 128, 127.5 / 128)]
)
def test_scalings_are_linear_from_end_to_end_and_every_value_survives_there_and_back(scaling, low, high):
    x = scaling(EVERY)
    assert (float(x.min()), float(x.max())) == (low, high) and x.dtype == torch.float32
    torch.testing.assert_close(x.flatten(), torch.linspace(low, high, 256))
    assert torch.equal(scaling.images(x), EVERY)


@pytest.mark.parametrize("divisor", [0, -1, float("nan")])
def test_a_divisor_that_is_not_positive_is_refused(divisor):
    with pytest.raises(InputError, match="divisor of Symmetric is .*give a positive number"):
        Symmetric(divisor)


def test_images_are_rounded_to_the_nearest_value_and_clipped_to_the_range():
    drawn = torch.tensor([-3, 0.4 / 255, 0.6 / 255, 1.7, float("inf")], requires_grad=True)
    assert UnitRange().images(drawn).tolist() == [0, 0, 1, 255, 255]
    assert Symmetric(128).images(torch.tensor([-2, 0.4 / 128, 1.0, float("-inf")])).tolist() == [0, 128, 255, 0]


@pytest.mark.parametrize("shape", [(5, 3, 4, 6), (2, 1, 28, 28), (1, 3, 64, 64)])
def test_each_image_gets_mean_zero_and_rms_one_over_all_its_channels(shape):
    x = torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    expected = torch.empty(shape, dtype=torch.float64)
    for n, image in enumerate(x.double()):
        mean = sum(image.flatten().tolist()) / image.numel()
        rms = (sum((v - mean) ** 2 for v in image.flatten().tolist()) / image.numel()) ** 0.5
        expected[n] = (image - mean) / rms
    found = PerImage()(x)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("normalization", [PerImage(), normalization.Contrast()], ids=["RMS", "norm"])
def test_an_image_of_one_value_becomes_zero(normalization):
    x = torch.arange(256, dtype=torch.uint8).view(256, 1, 1, 1).expand(256, 3, 64, 64)
    assert torch.equal(normalization(x), torch.zeros(256, 3, 64, 64))


def test_one_pixel_of_difference_is_enough_to_be_finite():
    x = torch.full((1, 3, 64, 64), 255, dtype=torch.uint8)
    x[0, 1, 2, 3] = 254
    assert PerImage()(x).isfinite().all() and abs(float(PerImage()(x).square().mean()) - 1) < 1e-4


@pytest.mark.parametrize("normalization", [UnitRange(), Symmetric(), PerImage()], ids=lambda n: type(n).__name__)
def test_scalings_of_one_image_at_a_time_learn_nothing(normalization):
    before = normalization(EVERY)
    normalization.fit(torch.randint(0, 256, (9, 1, 16, 16), dtype=torch.uint8))
    assert torch.equal(normalization(EVERY), before) and isinstance(normalization, Normalization)


def images(n: int, seed: int = 0) -> torch.Tensor:
    """Smooth coloured noise, uint8 [n, 3, 4, 5]: neighbouring pixels go together."""
    g = torch.Generator().manual_seed(seed)
    mixing = torch.randn(60, 60, generator=g).cumsum(0) * torch.linspace(1, 20, 60)
    return (128 + 0.1 * torch.randn(n, 60, generator=g) @ mixing.T).clamp(0, 255).to(torch.uint8).view(n, 3, 4, 5)


def covariance(x: torch.Tensor) -> torch.Tensor:
    return torch.cov(x.double().flatten(1).T, correction=0)


def scaled(variant: type, x: torch.Tensor) -> torch.Tensor:
    """The scaling before whitening, image by image in float64."""
    rows = []
    for image in x.double().flatten(1):
        if variant is ContrastZCA:
            centred = image - image.mean()
            rows.append(55 * centred / sum(v * v for v in centred.tolist()) ** 0.5)
        else:
            rows.append(image / 255 if variant is ZCA else (image - 127.5) / (128 if variant is SymmetricZCA else 255))
    return torch.stack(rows)


GAINS = {
    ZCA: lambda s: 1 / (s + 1e-5) ** 0.5,
    SymmetricZCA: lambda s: 1 / (s + 1e-5) ** 0.5,
    UnregularizedZCA: lambda s: 1 / s**0.5 + 1e-6,
    ContrastZCA: lambda s: 1 / (s.clamp_min(0) + 0.1) ** 0.5,
}


def fitted(variant: type, x: torch.Tensor | None = None) -> Normalization:
    """A whitening of this variant with the statistics of x, or of 400 images."""
    whitening = variant()
    whitening.fit(images(400) if x is None else x)
    return whitening


@ALL
def test_whitening_is_the_formula_of_its_source(variant):
    x = images(400)
    rows = scaled(variant, x)
    s, u = torch.linalg.eigh(covariance(rows))
    expected = (rows - rows.mean(0)) @ (u @ GAINS[variant](s).diag() @ u.T)
    found = fitted(variant, x)(x)
    assert found.dtype == torch.float32 and found.shape == x.shape
    torch.testing.assert_close(found.double().flatten(1), expected, atol=1e-3, rtol=1e-3)


@ALL
@pytest.mark.parametrize("block", [1, 7, 400, 1000])
def test_the_size_of_the_blocks_changes_nothing(variant, block, monkeypatch):
    x = images(400)
    whole = fitted(variant, x)
    monkeypatch.setattr(normalization, "BLOCK", block)
    parts = fitted(variant, x)
    torch.testing.assert_close(parts.matrix, whole.matrix, atol=1e-4, rtol=1e-5)
    torch.testing.assert_close(parts.mean, whole.mean)


def test_no_more_than_a_block_is_held_in_float64(monkeypatch):
    sizes, rows = [], ZCA._rows
    monkeypatch.setattr(normalization, "BLOCK", 100)
    monkeypatch.setattr(ZCA, "_rows", lambda self, x: sizes.append(len(x)) or rows(self, x))
    fitted(ZCA, images(450))
    assert sizes == [100, 100, 100, 100, 50] * 2


@pytest.mark.parametrize("variant", [ZCA, SymmetricZCA, UnregularizedZCA])
def test_images_come_back_bit_for_bit_those_of_the_fit_and_others(variant):
    whitening = fitted(variant)
    for x in images(400), images(50, seed=1):
        assert torch.equal(whitening.images(whitening(x)), x)


def test_images_drawn_out_of_range_are_clipped():
    whitening = fitted(ZCA)
    drawn = whitening.images(1e6 * torch.randn(5, 3, 4, 5, requires_grad=True))
    assert drawn.dtype == torch.uint8 and drawn.unique().tolist() == [0, 255]


@pytest.mark.parametrize("variant", [PerImage, ContrastZCA])
def test_what_has_no_inverse_says_so_when_it_is_needed_and_only_then(variant):
    normalization = fitted(variant)
    with pytest.raises(InputError, match=f"{variant.__name__} cannot be undone.*choose UnitRange, Symmetric or ZCA, or, on features, Fea"):
        normalization.images(normalization(images(3)))


@ALL
def test_images_of_one_value_stay_finite(variant):
    x = images(400)
    x[:3] = torch.tensor([0, 100, 255], dtype=torch.uint8).view(3, 1, 1, 1)
    whitening = fitted(variant, x)
    assert whitening(x).isfinite().all() and whitening.matrix.isfinite().all()


@pytest.mark.parametrize("x", [images(50), images(400).where(torch.arange(5) > 0, 7)], ids=["too few images", "pixels that never change"])
def test_directions_without_variance_are_refused_by_the_unregularised_variant_alone(x):
    with pytest.raises(InputError, match=f"the {len(x)} training images do not vary along some of their 60.*choose ZCA"):
        UnregularizedZCA().fit(x)
    for variant in ZCA, ContrastZCA:
        assert fitted(variant, x)(x).isfinite().all()


def test_the_statistics_are_those_of_the_fit_whatever_batch_is_whitened():
    whitening = fitted(ZCA)
    x = images(10, seed=1)
    torch.testing.assert_close(whitening(x)[3:5], whitening(x[3:5]), atol=1e-4, rtol=1e-4)


def test_using_it_before_the_fit_is_an_error():
    with pytest.raises(RuntimeError, match="ZCA is used before `fit`"):
        ZCA()(images(3))


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache, and every image large enough for it."""
    monkeypatch.setenv("GAN_SNTG_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(normalization, "LARGE", 1)
    return tmp_path / "cache"


def refitted(variant: type, x: torch.Tensor, monkeypatch) -> bool:
    """Whether another whitening of x has to find its statistics, which must come out the same."""
    found = []
    monkeypatch.setattr(normalization, "LARGE", 10**9)
    whole = fitted(variant, x)
    monkeypatch.setattr(normalization, "LARGE", 1)
    monkeypatch.setattr(variant, "_found", lambda self, x, real=variant._found: found.append(x) or real(self, x))
    again = fitted(variant, x)
    assert all(torch.equal(getattr(again, name), getattr(whole, name)) for name in ("mean", "matrix", "inverse"))
    return bool(found)


@ALL
def test_large_statistics_are_found_once_and_only_for_the_same_images_and_variant(variant, cache, monkeypatch):
    assert refitted(variant, images(400), monkeypatch)
    assert not refitted(variant, images(400), monkeypatch)
    assert refitted(variant, images(399), monkeypatch)
    other = ZCA if variant is not ZCA else ContrastZCA
    assert refitted(other, images(400), monkeypatch)


DAMAGE = {
    "empty": lambda file: file.write_bytes(b""),
    "half": lambda file: file.write_bytes(file.read_bytes()[: file.stat().st_size // 2]),
    "junk": lambda file: file.write_bytes(b"junk" * 100),
    "of another shape": lambda file: torch.save({"mean": torch.zeros(3), "matrix": torch.zeros(3, 3), "inverse": torch.zeros(3, 3)}, file),
    "a pickled object": lambda file: torch.save(ZCA(), file),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_cache_is_not_used_and_found_anew(cache, monkeypatch, damage):
    refitted(ZCA, images(400), monkeypatch)
    (file,) = cache.iterdir()
    damage(file)
    assert refitted(ZCA, images(400), monkeypatch)
    assert not refitted(ZCA, images(400), monkeypatch)


def test_a_cache_that_cannot_be_written_costs_only_time(tmp_path, monkeypatch):
    (tmp_path / "file").write_bytes(b"mine")
    monkeypatch.setenv("GAN_SNTG_CACHE", str(tmp_path / "file/cache"))
    assert refitted(ZCA, images(400), monkeypatch) and refitted(ZCA, images(400), monkeypatch)


@pytest.fixture(scope="module")
def real_images(real):
    """5,000 real CIFAR-10 training images."""
    return CIFAR10(real(*CIFAR10.files)).train_x[:5000]


REGULARISER = {ZCA: 1e-5, UnregularizedZCA: 0.0, ContrastZCA: 0.1}
LEADING = {ZCA: 30, UnregularizedZCA: 384, ContrastZCA: 3}  # directions of so much variance, at the least


@pytest.mark.parametrize("variant", REGULARISER)
def test_real_cifar10_images_get_the_covariance_of_theory(real_images, variant):
    """S gain(S)^2 along each direction: the identity wherever the variance is 1,100 times the variant's regulariser."""
    x = real_images[:, :, ::2, ::4]  # 384 numbers an image: the 3,072 of the whole take half a minute
    whitening = fitted(variant, x)
    s, u = torch.linalg.eigh(covariance(whitening.scaling(x)))
    theory = u @ (s.clamp_min(0) * whitening.gain(s.clamp_min(1e-300)) ** 2).diag() @ u.T
    found = covariance(whitening(x))
    torch.testing.assert_close(found, theory, atol=1e-3, rtol=0)
    leading = u[:, s > 1100 * REGULARISER[variant]]
    assert leading.shape[1] >= LEADING[variant]
    torch.testing.assert_close(leading.T @ found @ leading, torch.eye(leading.shape[1], dtype=torch.float64), atol=1e-3, rtol=0)
