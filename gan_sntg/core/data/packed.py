"""How is unpacked what zlib packed, from a file that may be damaged or hostile? One whole stream, up to a limit."""

import zlib

MOST_BYTES = 2**30  # that a file of a public set unpacks to
ZLIB, GZIP = 15, 31  # containers


def unpacked(data: bytes | memoryview, container: int, most: int) -> bytes:
    """Of one stream. Raises zlib.error where it is damaged, has something behind it, or holds more than `most` bytes."""
    stream = zlib.decompressobj(wbits=container)
    found = stream.decompress(data, max(most, 1))  # 0 would be no limit
    if not stream.eof or stream.unused_data:
        raise zlib.error(f"it is cut off, has something behind it or holds more than {most:,} bytes")
    return found
