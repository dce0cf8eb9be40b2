"""Values of TIFF, DICOM, PNG and arrays are those that were written, or the file is refused for its true reason."""

import numpy as np
import pydicom
import pytest
import tifffile
import torch
from helpers.picture_files import png
from PIL import Image
from pydicom.dataset import FileMetaDataset
from pydicom.pixels import apply_modality_lut, apply_voi_lut
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from gan_sntg.errors import InputError
from gan_sntg.pictures import read_picture, scientific
from gan_sntg.pictures.decode import decode
from gan_sntg.pictures.measured import MeasuredReader, measured_reader, squared, values_of

G = np.random.default_rng(0)
DEEP = G.integers(0, 4096, (5, 12, 9)).astype(np.uint16)
BYTES = G.integers(0, 256, (12, 9, 3)).astype(np.uint8)


def dicom(path, stored: np.ndarray, kind: str = "MONOCHROME2", bits: int = 12, **more):
    """A file of CT of these stored values; more: elements by their keywords."""
    data = pydicom.Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID, data.file_meta.MediaStorageSOPClassUID = ExplicitVRLittleEndian, CTImageStorage
    data.SOPClassUID, data.SOPInstanceUID = CTImageStorage, generate_uid()
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
    data.Rows, data.Columns, data.SamplesPerPixel, data.PhotometricInterpretation = *stored.shape[:2], 1, kind
    data.BitsAllocated, data.BitsStored, data.HighBit = 16, bits, bits - 1
    data.PixelRepresentation = int(stored.dtype.kind == "i")
    for name, value in more.items():
        setattr(data, name, value)
    data.PixelData = stored.tobytes()
    data.save_as(path, enforce_file_format=True)
    return path


@pytest.mark.parametrize(
    ("x", "options", "expected"),
    [
        (DEEP[0], {}, DEEP[:1]),
        (DEEP, {"photometric": "minisblack"}, DEEP),
        (DEEP, {"photometric": "minisblack", "metadata": {"axes": "CYX"}, "ome": True}, DEEP),
        (DEEP, {"photometric": "minisblack", "metadata": {"axes": "CYX"}, "imagej": True}, DEEP),
        (DEEP.transpose(1, 2, 0), {"photometric": "minisblack", "planarconfig": "contig"}, DEEP),
        (BYTES, {"photometric": "rgb"}, BYTES.transpose(2, 0, 1)),
        (DEEP[:3].transpose(1, 2, 0), {"photometric": "rgb"}, DEEP[:3]),
        (DEEP[0].astype(np.int16) - 1000, {}, DEEP[:1].astype(np.float32) - 1000),
        (DEEP[0] / np.float64(7), {}, (DEEP[:1] / np.float64(7)).astype(np.float32)),
        (DEEP[0], {"extratags": [(274, "H", 1, 6, True)]}, np.rot90(DEEP[:1], -1, (1, 2))),
        (DEEP[0].astype(">u2"), {"byteorder": ">"}, DEEP[:1]),
    ],
    ids=["grey", "pages", "OME", "ImageJ", "samples", "RGB", "RGB of 16", "signed", "float64", "turned", "big endian"],
)
def test_pages_channels_and_samples_of_a_tiff_are_channels(tmp_path, x, options, expected):
    tifffile.imwrite(path := tmp_path / "a.tif", x, **options)
    found = values_of(path)
    assert found.dtype == expected.dtype and np.array_equal(found, expected)


@pytest.mark.parametrize(
    ("x", "options", "said"),
    [
        (DEEP, {"photometric": "minisblack", "metadata": {"axes": "ZYX"}, "ome": True}, "axes ZYX .*Z .* no channels"),
        (DEEP, {"photometric": "minisblack", "metadata": {"axes": "TYX"}, "imagej": True}, "axes TYX .*T .* no channels"),
        (np.stack([BYTES] * 4), {"photometric": "rgb"}, "cannot both be channels"),
        (np.dstack([BYTES, BYTES[..., :1]]), {"photometric": "rgb", "extrasamples": ["unassalpha"]}, "an RGB TIFF with transparency"),
        (BYTES[..., 0], {"photometric": "miniswhite"}, "a TIFF of MINISWHITE"),
        (DEEP[0].astype(np.uint32) * 2**20, {}, "more than 16,777,216, which float32 does not tell apart"),
        (np.full((9, 9), np.nan, np.float32), {}, "NaN"),
    ],
)
def test_what_is_no_channel_or_no_brightness_is_refused(tmp_path, x, options, said):
    tifffile.imwrite(path := tmp_path / "a.tif", x, **options)
    with pytest.raises(ValueError, match=said):
        values_of(path)


def test_a_tiff_of_unlike_images_is_refused(tmp_path):
    with tifffile.TiffWriter(path := tmp_path / "a.tif") as file:
        file.write(DEEP[0])
        file.write(DEEP[0, :5])
    with pytest.raises(ValueError, match="2 images that are not alike"):
        values_of(path)


def test_pages_are_refused_where_pictures_become_8_bits(tmp_path):
    tifffile.imwrite(path := tmp_path / "a.tif", G.integers(0, 256, (5, 12, 12)).astype(np.uint8), photometric="minisblack")
    with pytest.raises(InputError, match="a TIFF of 5 pages; add --data.range to have them as channels"):
        read_picture(path, 12, False)


@pytest.mark.parametrize("kind", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("sign", [np.uint16, np.int16])
@pytest.mark.parametrize("slope", [{}, {"RescaleSlope": "2.5", "RescaleIntercept": "-1024"}])
def test_values_of_a_dicom_are_pydicoms_and_those_of_monochrome1_mirrored(tmp_path, kind, sign, slope):
    stored = (DEEP[0] - (2048 if sign is np.int16 else 0)).astype(sign)
    path = dicom(tmp_path / "a.dcm", stored, kind, **slope)
    data = pydicom.dcmread(path)
    mirrored = (4095 if sign is np.uint16 else -1) - data.pixel_array.astype(int) if kind == "MONOCHROME1" else data.pixel_array
    expected = np.asarray(apply_modality_lut(mirrored, data), np.float32)
    assert values_of(path).dtype == np.float32 and np.array_equal(values_of(path), expected[None])


@pytest.mark.parametrize("kind", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("window", [{}, {"WindowCenter": "900", "WindowWidth": "700"}, {"RescaleSlope": "2", "RescaleIntercept": "-100"}])
def test_a_dicom_is_shown_by_its_window(tmp_path, kind, window):
    square = DEEP[0, :9]
    path = dicom(tmp_path / "a", square, kind, **window)  # known by what is in it
    data = pydicom.dcmread(path)
    slope, intercept = (2, -100) if "RescaleSlope" in window else (1, 0)
    shown = apply_voi_lut(apply_modality_lut(data.pixel_array, data), data)
    expected = (np.asarray(shown, float) - intercept) / (slope * 4095) * 255
    expected = 255 - expected if kind == "MONOCHROME1" else expected
    found = read_picture(path, 9, False).numpy()[0]
    assert np.abs(found - expected).max() <= 0.5 + 1e-6


@pytest.mark.parametrize(
    ("more", "said"),
    [({"NumberOfFrames": 2}, "a DICOM of 2 frames"), ({"PhotometricInterpretation": "PALETTE COLOR"}, "a DICOM of PALETTE COLOR")],
)
def test_a_dicom_of_frames_or_a_palette_is_refused(tmp_path, more, said):
    with pytest.raises(ValueError, match=said):
        values_of(dicom(tmp_path / "a.dcm", DEEP[0], **more))


def test_png_holds_16_bits_of_grey_and_of_colours(tmp_path):
    x = G.integers(0, 65536, (28, 28, 4))
    x[..., 3] = 65535
    for kind, channels, own in (0, 1, 1), (2, 3, 3), (6, 4, 3):
        (tmp_path / "a.png").write_bytes(png(x[..., :channels], 16, kind))
        found = values_of(tmp_path / "a.png")
        assert found.dtype == np.uint16 and np.array_equal(found, x[..., :own].transpose(2, 0, 1))
    for pixels in BYTES, BYTES[..., 0]:
        Image.fromarray(pixels).save(tmp_path / "b.png")
        assert np.array_equal(values_of(tmp_path / "b.png"), np.atleast_3d(pixels).transpose(2, 0, 1))


def test_arrays_are_channels_first_or_last(tmp_path):
    for x, expected in (DEEP[:, :9], DEEP[:, :9]), (DEEP[:, :9].transpose(1, 2, 0), DEEP[:, :9]), (DEEP[0], DEEP[:1]):
        np.save(tmp_path / "a.npy", x)
        assert np.array_equal(values_of(tmp_path / "a.npy"), expected)
    np.save(tmp_path / "a.npy", DEEP)
    with pytest.raises(ValueError, match=r"does not tell channels.*; save it as .C, H, W. of a square"):
        values_of(tmp_path / "a.npy")
    np.save(tmp_path / "a.npy", np.array([{}], object))
    with pytest.raises(ValueError, match="Python objects"):
        values_of(tmp_path / "a.npy")


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (Image.fromarray(BYTES).quantize(9), "of the mode P"),
        (Image.fromarray(BYTES).convert("CMYK"), "of the mode CMYK"),
        (Image.merge("RGBA", [*Image.fromarray(BYTES).split(), Image.fromarray(BYTES[..., 0])]), "a transparent picture"),
    ],
)
def test_a_palette_inks_and_transparency_are_no_values(tmp_path, image, said):
    image.save(path := tmp_path / ("a.jpg" if image.mode == "CMYK" else "a.png"))
    with pytest.raises(ValueError, match=said):
        values_of(path)


def test_the_centre_is_resized_within_the_values_of_each_channel():
    x = DEEP[:2].astype(np.float32)
    assert np.array_equal(squared(DEEP, 9), DEEP[:, 1:10])
    found = squared(DEEP, 6)
    assert found.dtype == np.uint16 and found.shape == (5, 6, 6)
    plane = Image.fromarray(x[0, 1:10]).resize((6, 6), Image.Resampling.BICUBIC)
    expected = np.clip(np.asarray(plane), x[0, 1:10].min(), x[0, 1:10].max())
    np.testing.assert_allclose(squared(x, 6)[0], expected, rtol=1e-5)
    assert np.abs(found[0] - expected).max() <= 0.51


def test_all_pictures_are_like_the_first_that_can_be_read(tmp_path):
    paths = [tmp_path / name for name in ("a.tif", "b.tif", "c.tif", "d.png")]
    paths[0].write_bytes(b"II*\0 and no more")
    for path in paths[1:3]:
        tifffile.imwrite(path, DEEP, photometric="minisblack")
    Image.fromarray(BYTES).save(paths[3])
    reader = measured_reader(paths, 9, "crop", "here")
    assert reader == MeasuredReader(9, 5, "uint16") and reader.dtype == torch.uint16
    found = decode(paths, reader)
    assert found.paths == paths[1:3] and np.array_equal(found.x.numpy(), np.stack([DEEP[:, 1:10]] * 2))
    assert "3 channels of uint8, where others have 5 of uint16" in found.problems[paths[3]]
    with pytest.raises(InputError, match="9 x 12 pixels, not square"):
        MeasuredReader(9, 5, "uint16", "refuse").decoded(paths[1])
    with pytest.raises(InputError, match="none of its pictures can be read as measured values; the last"):
        measured_reader(paths[:1], 9, "crop", "here")


@pytest.mark.parametrize(
    ("name", "write"), [("a.tif", lambda path: tifffile.imwrite(path, DEEP[0])), ("a.dcm", lambda path: dicom(path, DEEP[0]))]
)
def test_without_the_package_it_is_said_which_is_needed(tmp_path, monkeypatch, name, write):
    write(tmp_path / name)

    def missing(name: str):
        raise ImportError(name)

    monkeypatch.setattr(scientific, "import_module", missing)
    with pytest.raises(ValueError, match=r"needs the package (tifffile|pydicom): pip install 'gan-sntg.images.'"):
        values_of(tmp_path / name)
    with pytest.raises(InputError, match="needs the package tifffile.*or give --kind npz"):
        scientific.tiff(torch.zeros(2, 4, 4, dtype=torch.uint16))


def test_more_pixels_than_are_decoded_are_refused_before_they_are(tmp_path, monkeypatch):
    monkeypatch.setattr(scientific, "MOST_PIXELS", 100)
    monkeypatch.setattr(scientific, "MOST_VALUES", 100)
    Image.fromarray(BYTES).save(tmp_path / "a.png")
    tifffile.imwrite(tmp_path / "a.tif", DEEP[0])
    for path, said in (
        (dicom(tmp_path / "a.dcm", DEEP[0]), "9 x 12 pixels"),
        (tmp_path / "a.png", "9 x 12 pixels"),
        (tmp_path / "a.tif", "108"),
    ):
        with pytest.raises(ValueError, match=f"{said}.*; the most that (is decoded is|are read are) 100"):
            values_of(path)
