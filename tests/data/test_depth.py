"""One's own images of more than 8 bits or other channels: arrays, MedMNIST's files, folders of measured values."""

import numpy as np
import pytest
import tifffile
import torch
from helpers.data_files import npz, picture

from gan_sntg.data.arrays import Arrays
from gan_sntg.data.image_folder import ImageFolder
from gan_sntg.data.normalization import ZCA, PerImage, Symmetric, UnitRange
from gan_sntg.data.recorded import DataFacts, facts_of
from gan_sntg.data.twins import Twins
from gan_sntg.errors import InputError
from gan_sntg.pictures.measured import MeasuredReader
from gan_sntg.pictures.pixels import PixelFormat

G = np.random.default_rng(0)
Y, TEST_Y = np.arange(20) % 2, np.arange(10) % 2
X, TEST = (G.integers(0, 4096, (n, 13, 8, 8)).astype(np.uint16) for n in (20, 10))


@pytest.mark.parametrize("last", [False, True])
def test_images_of_any_channels_and_16_bits_are_kept(last):
    x, test = (part.transpose(0, 2, 3, 1) if last else part for part in (X, TEST))
    source = Arrays(x, Y, test, TEST_Y, range="0,4095", display="3,2,1")
    assert source.image_shape == (13, 8, 8) and source.train_x.dtype == torch.uint16
    assert np.array_equal(source.train_x.numpy(), X) and np.array_equal(source.test_x.numpy(), TEST)
    assert source.pixels == PixelFormat((0.0,), (4095.0,), "uint16", (3, 2, 1)) and source.notes == ()


def test_where_shapes_do_not_tell_the_channels_it_is_said():
    x, test = G.integers(0, 256, (20, 5, 6, 7), np.uint8), G.integers(0, 256, (10, 5, 6, 7), np.uint8)
    assert Arrays(x, Y, test, TEST_Y, channels="first").image_shape == (5, 6, 7)
    assert Arrays(x, Y, test, TEST_Y, channels="last").image_shape == (7, 5, 6)
    with pytest.raises(InputError, match="does not tell channels.*add data.channels"):
        Arrays(x, Y, test, TEST_Y)


def test_real_numbers_are_fitted_channel_by_channel():
    x, test = (part.astype(np.float32) * np.arange(1, 14, dtype=np.float32).reshape(13, 1, 1) - 500 for part in (X, TEST))
    source = Arrays(x, Y, test, TEST_Y, range="fit")
    assert len(source.pixels.low) == 13 and source.pixels.dtype == "float32"
    np.testing.assert_allclose(source.pixels.low, np.percentile(x.transpose(1, 0, 2, 3).reshape(13, -1), 0.1, axis=1), rtol=1e-5)
    x[3, 2, 1, 1] = np.nan
    with pytest.raises(InputError, match="train_x holds NaN or infinite values"):
        Arrays(x, Y, test, TEST_Y, range="fit")


@pytest.mark.parametrize(("normalization", "ends"), [(UnitRange(), (0, 1)), (Symmetric(), (-1, 1)), (Symmetric(255), (-0.5, 0.5))])
def test_values_of_12_bits_survive_scalings_there_and_back(normalization, ends):
    ramp = torch.arange(4096, dtype=torch.int32).to(torch.uint16).view(16, 1, 16, 16)
    normalization.pixels = PixelFormat((0.0,), (4095.0,), "uint16")
    normalization.check(ramp)
    x = normalization(ramp)
    assert x.dtype == torch.float32 and torch.equal(normalization.images(x), ramp)
    torch.testing.assert_close(x.flatten().double(), torch.linspace(*ends, 4096, dtype=torch.float64), atol=1e-6, rtol=0)


def test_a_data_set_that_does_not_say_what_its_16_bits_mean_is_refused():
    with pytest.raises(InputError, match="the images are uint16, but `pixels` of their data set says uint8"):
        UnitRange().check(torch.from_numpy(X))


def test_whitened_values_of_12_bits_come_back_but_for_rounding():
    whitening, x = ZCA(), torch.from_numpy(G.integers(0, 4096, (200, 2, 4, 4)).astype(np.uint16))
    whitening.pixels = PixelFormat((0.0,), (4095.0,), "uint16")
    whitening.fit(x)
    white = whitening(x)
    covariance = torch.cov(white.flatten(1).double().T, correction=0)
    torch.testing.assert_close(covariance, torch.eye(32, dtype=torch.float64), atol=0.01, rtol=0)
    assert np.abs(whitening.images(white).numpy().astype(int) - x.numpy()).max() <= 1


def test_contrast_of_an_image_is_that_of_its_levels():
    x = torch.from_numpy(X[:3])
    normalization, scaled = PerImage(), X[:3].astype(np.float64)
    normalization.pixels = PixelFormat((0.0,), (4095.0,), "uint16")
    scaled -= scaled.mean((1, 2, 3), keepdims=True)
    expected = scaled / np.sqrt((scaled**2).mean((1, 2, 3), keepdims=True))
    np.testing.assert_allclose(normalization(x).numpy(), expected, atol=1e-4)


SIZES = {"train": 12, "val": 6, "test": 8}


def medmnist(folder, labels: int = 1, **more):
    """A file of small colour images of three classes, and its arrays."""
    parts = {f"{part}_images": G.integers(0, 256, (n, 28, 28, 3), np.uint8) for part, n in SIZES.items()} | more
    y = {f"{part}_labels": np.tile(np.arange(n)[:, None] % 3, labels).astype(np.uint8) for part, n in SIZES.items()}
    npz(folder / "med.npz", **parts, **y)
    return parts


def test_a_file_of_medmnist_is_read_as_it_is_with_its_own_validation_images(tmp_path):
    parts = medmnist(tmp_path)
    source = Arrays(file="med.npz", root=str(tmp_path))
    assert source.num_classes == 3 and source.image_shape == (3, 28, 28) and source.num_examples == 18
    held_out = source.train_x[source.validation].permute(0, 2, 3, 1)
    assert np.array_equal(held_out, parts["val_images"]) and np.array_equal(source.test_x.permute(0, 2, 3, 1), parts["test_images"])


def test_validation_images_of_medmnist_are_found_after_twins_were_dropped(tmp_path):
    parts = medmnist(tmp_path)
    parts["train_images"][2] = parts["test_images"][5]
    medmnist(tmp_path, **parts)
    source = Arrays(file="med.npz", root=str(tmp_path), twins=Twins.drop)
    assert source.num_examples == 17 and source.validation.tolist() == list(range(11, 17))


def test_several_labels_an_image_are_refused(tmp_path):
    medmnist(tmp_path, labels=14)
    with pytest.raises(InputError, match="train_labels has 14 labels per image, but an image has one class"):
        Arrays(file="med.npz", root=str(tmp_path))


@pytest.fixture
def folder(tmp_path):
    """Two classes of TIFFs of five pages and 12 bits, 10 x 8, labelled, without a label and for the test."""
    for part, n in ("labeled/ant", 6), ("labeled/bee", 6), ("unlabeled", 5), ("test/ant", 2), ("test/bee", 2):
        for k in range(n):
            (tmp_path / part).mkdir(parents=True, exist_ok=True)
            x = G.integers(0, 4096, (5, 10, 8)).astype(np.uint16)
            tifffile.imwrite(tmp_path / part / f"{k}.tif", x, photometric="minisblack")
    return tmp_path


def test_a_folder_of_five_page_tiffs_becomes_images_of_five_channels(folder):
    source = ImageFolder(str(folder), image_size=8, range="0,4095", display="4,2,0")
    assert source.image_shape == (5, 8, 8) and source.train_x.dtype == torch.uint16 and source.reader == MeasuredReader(8, 5, "uint16")
    stored = tifffile.imread(folder / "labeled" / "ant" / "0.tif")
    assert np.array_equal(source.train_x[0].numpy(), stored[:, 1:9])
    facts = facts_of(source)
    assert isinstance(facts, DataFacts) and facts.reader == source.reader and facts.pixels == source.pixels
    fitted = ImageFolder(str(folder), image_size=8, range="fit").pixels
    assert len(fitted.low) == 5 and all(low < 60 and high > 4000 for low, high in zip(fitted.low, fitted.high, strict=True))


def test_pictures_of_other_channels_and_those_that_are_not_square_are_refused_by_name(folder):
    picture(folder / "labeled" / "bee" / "z.png", G.integers(0, 256, (9, 9, 3), np.uint8))
    with pytest.raises(InputError, match="z.png: 3 channels of uint8, where others have 5 of uint16"):
        ImageFolder(str(folder), image_size=8, range="0,4095")
    with pytest.raises(InputError, match="0.tif: 8 x 10 pixels, not square"):
        ImageFolder(str(folder), image_size=8, range="0,4095", non_square="refuse")


def test_without_a_range_pages_are_refused_and_the_way_on_is_said(folder):
    with pytest.raises(InputError, match="a TIFF of 5 pages; add --data.range"):
        ImageFolder(str(folder), image_size=8)


def test_of_8_bits_nothing_changes_but_what_is_not_square_can_be_refused(tmp_path):
    for part, n in ("labeled/ant", 6), ("labeled/bee", 6), ("test/ant", 2), ("test/bee", 2):
        for k in range(n):
            picture(tmp_path / part / f"{k}.png", G.integers(0, 256, (12, 12, 3), np.uint8))
    plain, kept = ImageFolder(str(tmp_path), image_size=12), ImageFolder(str(tmp_path), image_size=12, range="full")
    assert plain.sha256 == kept.sha256 and plain.pixels == kept.pixels == PixelFormat()
    picture(tmp_path / "test" / "ant" / "wide.png", G.integers(0, 256, (12, 15, 3), np.uint8))
    with pytest.raises(InputError, match="wide.png: 15 x 12 pixels, not square; make it square"):
        ImageFolder(str(tmp_path), image_size=12, non_square="refuse")
