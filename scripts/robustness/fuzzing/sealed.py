"""How is damaged what a checksum guards? Taken out, damaged, and put back under a checksum of its own."""

import io
import random
import struct
import zipfile
import zlib

from fuzzing.damages import damaged


def in_zip(data: bytes, rng: random.Random) -> bytes:
    """One member of a zip archive, the smaller ones more often."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {info: archive.read(info) for info in archive.infolist()}
    chosen = min(rng.choices(list(members), k=2), key=lambda info: info.file_size)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for info, held in members.items():
            archive.writestr(zipfile.ZipInfo(info.filename), damaged(held, rng) if info is chosen else held, info.compress_type)
    return buffer.getvalue()


def in_png(data: bytes, rng: random.Random) -> bytes:
    """One chunk of a PNG."""
    chunks, at = [], 8
    while at < len(data):
        n = struct.unpack(">I", data[at : at + 4])[0]
        chunks.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + n]))
        at += 12 + n
    chosen = rng.randrange(len(chunks))
    chunks[chosen] = chunks[chosen][0], damaged(chunks[chosen][1], rng)
    return data[:8] + b"".join(
        struct.pack(">I", len(held)) + kind + held + struct.pack(">I", zlib.crc32(kind + held)) for kind, held in chunks
    )


def in_gzip(data: bytes, rng: random.Random) -> bytes:
    """What a gzip stream holds."""
    packer = zlib.compressobj(wbits=31)
    return packer.compress(damaged(zlib.decompress(data, wbits=31), rng)) + packer.flush()
