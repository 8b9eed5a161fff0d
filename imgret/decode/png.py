"""Remove ancillary chunks from a PNG file: text, colour profiles, times, private chunks of other programs.

None of them is needed, and Pillow refuses an image whose text is large or whose profile is damaged.
"""

from __future__ import annotations

from io import BytesIO
from typing import IO

_SIGNATURE = 8  # bytes
_FRAME = 12  # bytes of a chunk beside its data: length, type, CRC
_KEPT = (b"tRNS", b"eXIf", b"acTL")
_EXIF_IN_TEXT = b"Raw profile type "  # ImageMagick writes EXIF in a tEXt or zTXt chunk with this keyword
_LONGEST_TEXT = 1 << 20  # bytes


def without_ancillary_chunks(file: IO[bytes]) -> IO[bytes]:
    """Return a copy with the critical chunks, transparency and EXIF only. A truncated file stays truncated.

    `file` must be at its beginning, and is there again afterwards.
    """
    data = file.read()
    file.seek(0)
    parts, at = [data[:_SIGNATURE]], _SIGNATURE
    while at < len(data):
        length, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        end = at + _FRAME + length
        critical = len(kind) == 4 and not kind[0] & 0x20  # PNG specification, 5.4
        if critical or kind in _KEPT or _is_exif(kind, data[at + 8 : at + 40], length):
            parts.append(data[at:end])
        at = end
    return BytesIO(b"".join(parts))


def _is_exif(kind: bytes, begins: bytes, length: int) -> bool:
    return kind in (b"tEXt", b"zTXt") and begins.startswith(_EXIF_IN_TEXT) and length <= _LONGEST_TEXT
