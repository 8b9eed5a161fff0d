"""Images of a few bytes, for tests in which the content of a photo does not matter."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path


def picture(number: int, side: int = 4) -> bytes:
    """Return a small PNG that is different for each number."""
    colour = struct.pack(">I", number)[1:]
    rows = b"".join(b"\0" + colour * side for _ in range(side))

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    text = b"number\0%d" % number  # colours repeat after 2^24 images, contents do not
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"tEXt", text)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def write_picture(path: str | bytes | Path, number: int) -> None:
    """Write `picture(number)` to a file."""
    with open(path, "wb") as file:
        file.write(picture(number))
