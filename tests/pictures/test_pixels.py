"""Levels, their inverse and what is shown, for each depth, against NumPy in float64."""

import numpy as np
import pytest
import torch

from gan_sntg.errors import InputError
from gan_sntg.files.mapped import indexed
from gan_sntg.pictures.pixels import BYTES, PERCENTILES, PixelFormat, percentiles

G = np.random.default_rng(0)
DEEP = torch.from_numpy(G.integers(0, 65536, (9, 2, 5, 4)).astype(np.uint16))
REAL = torch.from_numpy(G.normal(40, 900, (9, 3, 5, 4)).astype(np.float32))


def test_levels_of_bytes_are_the_bytes_and_come_back_rounded_and_clipped():
    x = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)
    assert torch.equal(BYTES.levels(x), x.float()) and torch.equal(BYTES.pixels(x.float()), x)
    assert BYTES.pixels(torch.tensor([-3.0, 0.4, 0.6, 1e9], requires_grad=True)).tolist() == [0, 0, 1, 255]
    assert BYTES.plain and not PixelFormat((0.0,), (254.0,)).plain and not PixelFormat((0.0,), (255.0,), "uint16").plain


@pytest.mark.parametrize(
    ("pixels", "x"),
    [
        (PixelFormat((0.0,), (65535.0,), "uint16"), DEEP),
        (PixelFormat((1000.0, 20.0), (5000.0, 60000.0), "uint16"), DEEP),
        (PixelFormat((-1000.0,), (2000.0,), "float32"), REAL),
        (PixelFormat((-1.0, 0.0, 100.0), (1.0, 900.0, 101.0), "float32"), REAL),
        (PixelFormat((16.0,), (235.0,), "uint8"), torch.from_numpy(G.integers(0, 256, (9, 3, 5, 4)).astype(np.uint8))),
    ],
)
def test_levels_are_linear_between_black_and_white_and_clipped_beyond(pixels, x):
    low, high = (np.array(ends).reshape(-1, 1, 1) for ends in (pixels.low, pixels.high))
    levels = pixels.levels(x)
    expected = np.clip((x.numpy().astype(np.float64) - low) * 255 / (high - low), 0, 255)
    assert levels.dtype == torch.float32 and np.abs(levels.numpy() - expected).max() < 1e-4
    back = pixels.pixels(levels)
    clipped = np.clip(x.numpy().astype(np.float64), low, high)
    assert back.dtype == x.dtype and np.abs(back.numpy() - clipped).max() <= (0.001 * high.max() if pixels.dtype == "float32" else 0)
    assert torch.equal(pixels.bytes(x), levels.round().to(torch.uint8))


def test_each_of_4096_levels_of_12_bits_survives():
    x = torch.arange(4096, dtype=torch.int32).to(torch.uint16).view(1, 1, 64, 64)
    pixels = PixelFormat.of("0,4095", x)
    assert torch.equal(pixels.pixels(pixels.levels(x)), x)
    torch.testing.assert_close(pixels.levels(x).flatten().double() / 255, torch.arange(4096).double() / 4095, atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("channels", "display", "found"),
    [(1, (), [0]), (3, (), [0, 1, 2]), (2, (), [0, 1, None]), (13, (), [0, 1, 2]), (13, (3, 2, 1), [3, 2, 1]), (3, (1,), [1])],
)
def test_one_or_three_channels_are_shown_as_bytes(channels, display, found):
    x = torch.from_numpy(G.integers(0, 4096, (3, channels, 4, 4)).astype(np.uint16))
    pixels = PixelFormat((0.0,), (4095.0,), "uint16", display)
    shown = pixels.shown(x)
    assert shown.dtype == torch.uint8 and shown.shape[1] == len(found)
    for k, channel in enumerate(found):
        expected = 0 if channel is None else np.rint(x[:, channel].numpy() * 255.0 / 4095)
        assert np.abs(shown[:, k].numpy().astype(float) - expected).max() <= 1
    assert torch.equal(BYTES.shown(pixels.bytes(x[:, :1])), pixels.bytes(x[:, :1]))


def test_fit_takes_percentiles_of_each_channel_exactly_of_whole_numbers():
    x = torch.from_numpy((G.gamma(2, 900, (400, 2, 9, 9)) * np.array([1, 8]).reshape(2, 1, 1)).clip(0, 65535).astype(np.uint16))
    low, high = percentiles(x, "here")
    for k in range(2):
        values = np.sort(x[:, k].numpy().ravel())
        ends = [values[int(np.ceil(percent / 100 * values.size)) - 1] for percent in PERCENTILES]
        assert [low[k], high[k]] == ends
    found = PixelFormat.of("fit", REAL)
    expected = np.percentile(REAL.numpy().transpose(1, 0, 2, 3).reshape(3, -1), PERCENTILES, axis=1)
    np.testing.assert_allclose([found.low, found.high], expected, rtol=1e-6)


def test_16_bits_that_are_all_used_need_no_range_and_others_do():
    assert PixelFormat.of(None, DEEP).high == (65535,)
    for asked, x, said in [
        (
            None,
            torch.from_numpy(DEEP.numpy() // 4),
            "uint16 with values of .* nothing says what is black and white",
        ),
        (None, REAL, "float32 with values of .* add range: full"),
        ("full", REAL, "range full is that of whole numbers, but the images are float32"),
        ("0,70000", DEEP, "range 0,70000 is not within 0..65535"),
        ("5", DEEP, "range is '5'; give full"),
        ("7,3", DEEP, "black is 7 and white 3; black must be less"),
        ("nan,3", REAL, "black is nan"),
        ("white", DEEP, "range is 'white'; give full"),
    ]:
        with pytest.raises(InputError, match=said):
            PixelFormat.of(asked, x)
    flat = DEEP.clone()
    flat[:, 1] = 7
    with pytest.raises(InputError, match="black and white of channel 1 both at 7"):
        PixelFormat.of("fit", flat, where="here")


@pytest.mark.parametrize(
    ("display", "said"),
    [("2,1,0", "display names channel 2, but the images have 2"), ("0,1", "give one channel, or three"), ("a", "display")],
)
def test_channels_that_are_not_there_are_not_shown(display, said):
    with pytest.raises(InputError, match=said):
        PixelFormat.of("full", DEEP, display)


def test_images_of_16_bits_are_indexed_as_any():
    index = torch.tensor([[3, 0], [1, 1]])
    assert np.array_equal(indexed(DEEP, index).numpy(), DEEP.numpy()[index.numpy()])
    assert np.array_equal(indexed(DEEP, [2]).numpy(), DEEP.numpy()[[2]]) and torch.equal(indexed(REAL, index), REAL[index])


def test_black_and_white_are_made_once_but_anew_where_they_are_traced(monkeypatch):
    pixels = PixelFormat((0.0,), (4095.0,), "uint16")
    before = pixels.ends(torch.device("cpu"))
    assert pixels.ends(torch.device("cpu"))[0] is before[0]
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    assert pixels.ends(torch.device("cpu"))[0] is not before[0] and torch.equal(pixels.ends(torch.device("cpu"))[1], before[1])
