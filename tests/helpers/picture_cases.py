"""Pictures drawn at random, of every mode, depth, alpha, format, frames and EXIF turn, with what they show, by NumPy."""

import struct
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from PIL import Image

from helpers.data_files import chunk
from helpers.picture_files import SIZE, packed, png, saved, tiff

G = np.random.Generator
KEY = "16 bits per channel and a transparent colour"
DARK = "of whose 16 bits only 0"


class Made(NamedTuple):
    """A file, its colours [H, W, 3] and alpha [H, W] in 0..255 as stored; else why it is refused. near: levels of tolerance."""

    data: bytes
    colors: np.ndarray | None = None
    alpha: np.ndarray | None = None
    refused: str = ""
    near: float = 0.51
    turn: int = 1


def shown(made: Made, color: bool, background: int) -> np.ndarray:
    """What a viewer sees of it on that ground: float64 [3 or 1, H, W], upright."""
    assert made.colors is not None
    alpha = np.full(made.colors.shape[:2], 255.0) if made.alpha is None else made.alpha
    share = alpha[..., None] / 255
    x = turned(made.colors * share + background * (1 - share), made.turn).transpose(2, 0, 1)
    return x if color else np.tensordot([0.299, 0.587, 0.114], x, 1)[None]


def turned(x: np.ndarray, turn: int) -> np.ndarray:
    """x [H, W, C] as EXIF's orientation asks."""
    x = x.transpose(1, 0, 2) if turn in (5, 6, 7, 8) else x
    return x[:: -1 if turn in (3, 4, 7, 8) else 1, :: -1 if turn in (2, 3, 6, 7) else 1]


def rgb(grey: np.ndarray) -> np.ndarray:
    return np.repeat(np.asarray(grey, float)[..., None], 3, 2)


def exif(g: G) -> tuple[int, bytes]:
    """An orientation, its effect and the EXIF data that ask for it; numbers that there are not ask for nothing."""
    turn = int(g.integers(0, 10))
    return turn if 1 <= turn <= 8 else 1, b"II*\0\x08\0\0\0\1\0" + struct.pack("<HHIHHI", 0x112, 3, 1, turn, 0, 0)


def deep(g: G, *shape: int) -> tuple[np.ndarray, bool]:
    """Values of 16 bits of which fewer are used, in half of the cases; and whether so."""
    bits = int(g.choice([8, 10, 12, 14, 15, 16, 16, 16, 16, 16]))
    values = g.integers(0, 2**bits, shape)
    values.flat[: 3 * SIZE] = 2**bits - 1
    return values, bits < 16


def png_key(g: G) -> Made:
    """Grey or colour with or without a transparent value."""
    kind, (turn, more) = int(g.choice([0, 2])), exif(g)
    depth = int(g.choice([8, 16] if kind else [1, 2, 4, 8, 16]))
    channels, most, dark = 1 + kind, 2**depth - 1, False
    samples = g.integers(0, most + 1, (SIZE, SIZE, channels))
    if depth == 16:
        samples, dark = deep(g, SIZE, SIZE, channels)
    key = samples[3, 4] if g.random() < 0.5 else None
    if key is not None:
        samples[g.random((SIZE, SIZE)) < 0.3] = key
    chunks = [chunk(b"eXIf", more)] + ([chunk(b"tRNS", key.astype(">u2").tobytes())] if key is not None else [])
    colors = samples >> 8 if depth == 16 else samples * 255 // most
    refused = KEY if depth == 16 and kind and key is not None else DARK if dark else ""
    alpha = None if key is None else np.where((samples == key).all(2), 0, 255)
    return Made(png(samples, depth, kind, *chunks), colors + np.zeros(3), alpha, refused, turn=turn)


def png_palette(g: G) -> Made:
    depth, (turn, more) = int(g.choice([1, 2, 4, 8])), exif(g)
    palette, index = g.integers(0, 256, (2**depth, 3)), g.integers(0, 2**depth, (SIZE, SIZE, 1))
    alphas = g.integers(0, 256, int(g.integers(0, 2**depth + 1)))
    chunks = [chunk(b"PLTE", palette.astype(np.uint8).tobytes())] + [chunk(b"tRNS", alphas.astype(np.uint8).tobytes())] * bool(len(alphas))
    alpha = np.concatenate([alphas, np.full(2**depth - len(alphas), 255)])[index[..., 0]]
    return Made(png(index, depth, 3, *chunks, chunk(b"eXIf", more)), palette[index[..., 0]], alpha, near=1.1, turn=turn)


def png_alpha(g: G) -> Made:
    kind, depth, (turn, more) = int(g.choice([4, 6])), int(g.choice([8, 16])), exif(g)
    samples, dark = g.integers(0, 256, (SIZE, SIZE, 2 if kind == 4 else 4)), False
    if depth == 16:
        samples, dark = deep(g, *samples.shape)
        samples[..., -1] = g.integers(0, 2**16, (SIZE, SIZE))
    eight = samples >> 8 if depth == 16 else samples
    return Made(
        png(samples, depth, kind, chunk(b"eXIf", more)),
        eight[..., :-1] + np.zeros(3),
        eight[..., -1],
        DARK if dark else "",
        near=1.1,
        turn=turn,
    )


# photometric, extra samples, depths, sample format, channels, byte orders
TIFFS = [
    *[(1, (), (depth,), 1, "<>") for depth in (1, 2, 4, 8, 16)],
    *[(0, (), (depth,), 1, "<>") for depth in (1, 2, 4, 8)],
    (0, (), (16,), 1, "<"),
    (1, (), (12,), 1, "<"),
    *[(1, (), (depth,), 2, "<>") for depth in (8, 16, 32)],
    (1, (), (32,), 1, "<"),
    (1, (), (32,), 3, "<>"),
    *[(2, (), (depth,) * 3, 1, "<>") for depth in (8, 16)],
    *[(2, (extra,), (depth,) * 4, 1, "<>") for extra in (0, 1, 2) for depth in (8, 16)],
    *[(1, (extra,), (8, 8), 1, "<>") for extra in (0, 1, 2)],
    (3, (), (8,), 1, "<>"),
    (3, (2,), (8, 8), 1, "<>"),
    (5, (), (8,) * 4, 1, "<>"),
    (5, (), (16,) * 4, 1, "<>"),
]
UNKNOWN = {32: "32 bits per pixel, of unknown scale"}


def tiff_any(g: G) -> Made:
    """Every photometric, depth, sign and extra sample that Pillow names, in both byte orders."""
    photometric, extra, depths, signs, orders = TIFFS[g.integers(len(TIFFS))]
    order, depth, n, turn = str(g.choice([*orders])), depths[0], len(depths), int(g.integers(1, 9))
    samples, dark = g.integers(0, 2 ** min(depth, 31), (SIZE, SIZE, n)), False
    if depth == 16 and photometric != 5:
        samples, dark = deep(g, SIZE, SIZE, n)
    elif depth == 16:
        samples[0, 0] = 65535
    alpha = samples[..., -1].copy() if extra in ((1,), (2,)) else None
    if extra == (1,):
        alpha = samples[..., -1] = g.integers(1, 2**depth, (SIZE, SIZE)) | (128 << depth - 8)
        samples[..., :-1] = samples[..., :-1] * alpha[..., None] // (2**depth - 1)
        dark = dark or depth == 16 and bool((samples[..., :-1] < 2**15).all())
    planar, deflated = photometric == 2 and g.random() < 0.3, bool(g.random() < 0.5)
    parts = np.split(samples, n, 2) if planar else [samples]
    numbers = f"{order}{'f' if signs == 3 else 'u'}{depth // 8}"
    planes = [part.astype(numbers).tobytes() if depth in (16, 32) else packed(part, depth) for part in parts]
    tags = {258: depths, 262: (photometric,), 277: (n,), 284: (1 + planar,), 339: (signs,) * n, 274: (turn,)}
    tags |= {338: extra} if extra else {}
    refused = "signed whole numbers" if signs == 2 else UNKNOWN.get(depth, DARK if dark else "")
    if photometric == 0 and depth == 16:
        refused = "of which 0 is white"
    if planar and not deflated and (depth == 16 or extra in ((0,), (1,))):
        refused = "channel by channel" if depth == 16 or extra == (1,) else "of a kind that is not read"
    if photometric == 3:
        palette = g.integers(0, 256, (256, 3))
        tags[320] = tuple(int(v) * 257 for v in palette.T.flatten())
        colors = palette[samples[..., 0]]
    else:
        colors = samples[..., : n - len(extra)] >> 8 if depth == 16 else samples[..., : n - len(extra)] * 255 // (2**depth - 1)
        colors = 255 - colors if photometric == 0 else samples[..., :1] >> 4 if depth == 12 else colors
    if extra == (1,) and alpha is not None:
        alpha = alpha >> 8 if depth == 16 else alpha
        colors = np.minimum(255, colors * 255 / alpha[..., None])
    elif alpha is not None and depth == 16:
        alpha = alpha >> 8
    if photometric == 5:
        colors = (255 - colors[..., :3]) * (255 - colors[..., 3:]) / 255
    pages = 1 + 2 * int(g.random() < 0.1)
    if pages > 1 and refused != "of a kind that is not read":
        refused = "a TIFF of 3 pages"
    return Made(
        tiff(order, planes, tags, pages, deflated),
        colors + np.zeros(3),
        alpha,
        refused,
        3.1 if extra == (1,) else 1.1,
        turn,
    )


def netpbm(g: G) -> Made:
    """P1 to P6 of every kind of maximum, and floats."""
    kind = int(g.integers(1, 8))
    most = 1 if kind in (1, 4) else int(g.choice([1, 7, 100, 255, 255, 1000, 4095, 65535, 65535]))
    samples, dark = g.integers(0, most + 1, (SIZE, SIZE, 3 if kind in (3, 6) else 1)), False
    if most == 65535:
        samples, dark = deep(g, *samples.shape)
    head = f"P{kind}\n# a comment\n{SIZE} {SIZE}\n".encode() + (b"" if kind in (1, 4) else b"%d\n" % most)
    if kind == 7:
        return Made(b"Pf\n%d %d\n-1.0\n" % (SIZE, SIZE) + g.random((SIZE, SIZE)).astype("<f4").tobytes(), refused=UNKNOWN[32])
    plain = "\n".join(" ".join(map(str, row.flatten())) for row in samples).encode()
    data = plain if kind < 4 else packed(samples, 1) if kind == 4 else packed(samples, 16 if most > 255 else 8)
    colors = 255 * (1 - samples) if most == 1 and kind in (1, 4) else samples * 255 / most
    return Made(head + data, colors + np.zeros(3), refused=DARK if dark else "", near=1.1)


def gif(g: G) -> Made:
    """With a transparent index or without, still or moving."""
    palette, index = g.integers(0, 256, (256, 3)).astype(np.uint8), g.integers(0, 256, (SIZE, SIZE)).astype(np.uint8)
    if g.random() < 0.3:
        palette[:] = np.arange(256)[:, None]  # of which Pillow makes grey
    key = int(index[0, 0]) if g.random() < 0.6 else None
    image = Image.fromarray(index)
    image.putpalette(palette.tobytes())
    more = {} if key is None else {"transparency": key}
    if g.random() < 0.5:
        more |= {"save_all": True, "append_images": [Image.fromarray(255 - index)], "duration": 100}
    colors = palette[index].astype(float)
    alpha = None if key is None else np.where(index == key, 0, 255)
    return Made(saved(image, "GIF", optimize=False, **more), colors, alpha, near=1.1)


def bmp(g: G) -> Made:
    """Version 4, whose masks say where colours and alpha are."""
    x, kinds = g.integers(0, 256, (SIZE, SIZE, 4)).astype(np.uint8), (0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    head = struct.pack("<IiiHHIIiiII", 108, SIZE, SIZE, 1, 32, 3, x.size, 0, 0, 0, 0) + struct.pack("<4I", *kinds) + b"BGRs" + bytes(48)
    data = head + x[::-1, :, [2, 1, 0, 3]].tobytes()
    return Made(b"BM" + struct.pack("<IHHI", 14 + len(data), 0, 0, 14 + len(head)) + data, x[..., :3].astype(float), x[..., 3], near=1.1)


WRITERS = {
    "PNG": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"),
    "TIFF": ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "I", "F"),
    "BMP": ("1", "L", "P", "RGB", "RGBA"),
    "WEBP": ("RGB", "RGBA"),
    "PPM": ("1", "L", "RGB", "I;16"),
    "JPEG": ("L", "RGB", "CMYK"),
    "MPO": ("L", "RGB"),
}
PACKED = ("tiff_lzw", "tiff_adobe_deflate", "packbits", "raw")
FRAMES = ("PNG", "TIFF", "WEBP", "MPO")


def by_pillow(g: G) -> Made:
    """What Pillow writes: a smooth picture where the format loses, noise where it does not; with EXIF, in one frame or more."""
    kind = str(g.choice([*WRITERS]))
    mode, (turn, more) = str(g.choice(WRITERS[kind])), exif(g)
    slope = np.indices((SIZE, SIZE)).sum(0)[..., None] * g.integers(1, 4, 4) + g.integers(0, 60, 4)
    x = (slope if kind in ("JPEG", "MPO") else g.integers(0, 256, (SIZE, SIZE, 4))).astype(np.uint8)
    x[..., 3] = x[..., 3] if mode in ("RGBA", "CMYK") else 0
    options, alpha, refused, near = {}, None, "", 1.1
    if mode in ("1", "L", "P"):
        grey = np.where(x[..., 0] > 127, 255, 0) if mode == "1" else x[..., 0]
        image, colors = Image.fromarray(grey.astype(np.uint8)).convert(mode, dither=Image.Dither.NONE), rgb(grey)
    elif mode in ("I;16", "I", "F"):
        values, dark = deep(g, SIZE, SIZE)
        image = Image.fromarray(values.astype({"I;16": np.uint16, "I": np.int32, "F": np.float32}[mode]))
        colors, refused = rgb(values >> 8), DARK if dark else ""
        refused = {"I;16": refused, "I": "signed whole numbers", "F": UNKNOWN[32]}[mode]
    elif mode == "LA":
        image, colors, alpha = Image.fromarray(x[..., :2].copy(), "LA"), rgb(x[..., 0]), x[..., 1]
    elif mode == "CMYK":
        image, colors = Image.fromarray(x, "CMYK"), (255.0 - x[..., :3]) * (255.0 - x[..., 3:]) / 255
    else:
        image, colors, alpha = (
            Image.fromarray(x if mode == "RGBA" else x[..., :3].copy()),
            x[..., :3],
            x[..., 3] if mode == "RGBA" else None,
        )
    if kind == "BMP":
        alpha = None  # the fourth byte of these is reserved
    if kind == "TIFF":
        options["compression"] = str(g.choice(PACKED))
    if kind in ("BMP", "PPM") or (kind == "TIFF" and more[18] not in range(1, 9)) or g.random() < 0.3:
        turn = 1
    else:
        options["exif"] = b"Exif\0\0" + more
    if kind in ("JPEG", "MPO"):
        options, near = options | {"quality": 97, "subsampling": 0} if mode != "L" else options | {"quality": 97}, 9
    if kind == "WEBP":
        options |= {"lossless": True, "exact": True}
    if kind in FRAMES and mode in ("L", "RGB", "RGBA") and g.random() < 0.4:
        options |= {"save_all": True, "append_images": [image.transpose(Image.Transpose.ROTATE_90)]}
        refused = "a TIFF of 2 pages" if kind == "TIFF" else refused
    return Made(saved(image, kind, **options), np.asarray(colors, float), alpha, refused, near, turn)


FAMILIES: tuple[Callable[[G], Made], ...] = (png_key, png_palette, png_alpha, tiff_any, netpbm, gif, bmp, by_pillow, tiff_any)
