"""Read camera raw files by extracting their largest embedded preview.

CR2, CR3, NEF, ARW, DNG, ORF, RW2, RAF and related formats store their previews at different places. Instead of a
parser for each format, all bytes are searched for JPEG streams, and the directories of TIFF-based formats for
uncompressed previews. The largest preview is used. The sensor's own data are skipped; they are recognised by the
marker of lossless JPEG and by their photometric interpretation.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from io import BytesIO
from mmap import ACCESS_COPY, ACCESS_READ, mmap
from typing import IO, TYPE_CHECKING, Literal

from msgspec import Struct

from imgret.errors import PhotoError
from imgret.exclude import RAW_SUFFIXES

if TYPE_CHECKING:
    from PIL import Image

# (offset, bytes) of raw formats without a TIFF header: Fujifilm, Panasonic, Olympus (3), Sigma, Minolta, Canon (2).
_BEGINNINGS = (
    (0, b"FUJIFILMCCD-RAW"),
    (0, b"IIU\0"),
    (0, b"IIRO"),
    (0, b"IIRS"),
    (0, b"MMOR"),
    (0, b"FOVb"),
    (0, b"\0MRM"),
    (6, b"HEAPCCDR"),
    (4, b"ftypcrx "),
)
_LONGEST_JPEG = 64 << 20  # bytes: longer than any preview; the decoder stops at its end marker
_SEARCHED = 1 << 29  # bytes: larger than any photo, but a disk image may have the extension .raw

_START = b"\xff\xd8\xff"
_SHOWN = (0xC0, 0xC1, 0xC2)  # baseline, extended and progressive frames: every viewer decodes them
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # ITU T.81, table B.1
_MOST_SEGMENTS = 200

# TIFF 6.0 and DNG 1.7: tags, the sizes of whole numbers by type, kinds of samples.
_WIDTH, _HEIGHT, _BITS, _PHOTOMETRIC, _SUBFOLDERS, _DNG_VERSION = 256, 257, 258, 262, 330, 50706
_BYTES = {1: 1, 3: 2, 4: 4, 13: 4}
_SENSOR = (32803, 34892)  # a colour filter array, and linear raw
_ORDINARY = (0, 1, 2, 3, 6)  # grey, RGB, palette, YCbCr
_MOST_DIRECTORIES = 64
_MOST_ENTRIES = 1000


class Preview(Struct, frozen=True):
    """A preview image inside a file."""

    kind: Literal["JPEG", "TIFF"]
    offset: int  # bytes: of the JPEG stream, or of the TIFF directory
    width: int  # pixels
    height: int


class _Directory(Struct, frozen=True):
    """A TIFF directory: the integer values of some of its tags."""

    offset: int
    values: dict[int, tuple[int, ...]]

    def first(self, tag: int) -> int | None:
        found = self.values.get(tag)
        return found[0] if found else None


def preview(path: bytes, file: IO[bytes]) -> tuple[Image.Exif | None, IO[bytes] | None]:
    """Return the EXIF of a raw file (None if it has none of its own) and its largest preview, a JPEG or a TIFF.

    Return (None, None) for a file that is not raw, whatever its extension. Raises PhotoError for a raw file without
    a preview.
    """
    named = path.rpartition(b".")[2].lower() in RAW_SUFFIXES
    with mmap(file.fileno(), 0, access=ACCESS_READ) as data:
        known = is_raw(data)
        if not known and not named:
            return None, None
        found = largest_preview(data)
        first = next((each.offset for each in _directories(data)), None)
        if not known and (data[:2] not in (b"II", b"MM") if found is None else found.offset == first):
            return None, None  # another format, or an ordinary TIFF, with the extension of a raw file
        if found is None:
            raise PhotoError(
                f"{os.fsdecode(path)} is a raw file without a preview", "Exclude it, or export it as JPEG."
            )
        exif = _exif(file)
        if found.kind == "JPEG":
            return exif, BytesIO(data[found.offset : found.offset + _LONGEST_JPEG])
    page = mmap(file.fileno(), 0, access=ACCESS_COPY)  # changes stay in memory, the file is not modified
    page[4:8] = found.offset.to_bytes(4, "little" if page[:1] == b"I" else "big")
    return exif, page  # type: ignore[return-value]  # an mmap has all file methods that Pillow calls


def _exif(file: IO[bytes]) -> Image.Exif | None:
    from PIL import Image

    exif = Image.Exif()
    file.seek(0)
    try:
        exif.load_from_fp(file)  # type: ignore[no-untyped-call,unused-ignore]
    except (OSError, SyntaxError, ValueError, KeyError, TypeError, struct.error):
        return None
    return exif


def is_raw(data: bytes | mmap) -> bool:
    """Return whether the content identifies a raw file."""
    if data[8:10] == b"CR" or any(data[at : at + len(text)] == text for at, text in _BEGINNINGS):
        return True
    return any(
        _DNG_VERSION in each.values or each.first(_PHOTOMETRIC) in _SENSOR for each in _directories(data)
    )


def largest_preview(data: bytes | mmap) -> Preview | None:
    """Return the largest preview inside `data`; None if there is none."""
    found = [*_jpegs(data), *_pages(data)]
    return max(found, key=lambda each: each.width * each.height, default=None)


def _jpegs(data: bytes | mmap) -> Iterator[Preview]:
    at = data.find(_START, 0, _SEARCHED)
    while at >= 0:
        size = _frame_size(data, at + 2)
        if size:
            yield Preview("JPEG", at, *size)
        at = data.find(_START, at + 2, _SEARCHED)


def _frame_size(data: bytes | mmap, at: int) -> tuple[int, int] | None:
    """Return (width, height) of the JPEG whose segments start at `at`; None unless it has 8 bits per sample."""
    for _ in range(_MOST_SEGMENTS):
        head = data[at : at + 9]
        if len(head) < 9 or head[0] != 0xFF:
            return None
        marker, length = head[1], int.from_bytes(head[2:4], "big")
        if marker in _FRAMES:
            height, width = int.from_bytes(head[5:7], "big"), int.from_bytes(head[7:9], "big")
            return (width, height) if marker in _SHOWN and head[4] == 8 and width and height else None
        if length < 2 or marker < 0xC0:
            return None
        at += 2 + length
    return None


def _pages(data: bytes | mmap) -> Iterator[Preview]:
    for each in _directories(data):
        width, height = each.first(_WIDTH), each.first(_HEIGHT)
        if width and height and each.first(_PHOTOMETRIC) in _ORDINARY and (each.first(_BITS) or 1) <= 16:
            yield Preview("TIFF", each.offset, width, height)


def _directories(data: bytes | mmap) -> Iterator[_Directory]:
    """Yield the directories of a classic TIFF file and their subdirectories, each once."""
    if data[:4] not in (b"II*\0", b"MM\0*"):
        return
    order: Literal["little", "big"] = "little" if data[:1] == b"I" else "big"

    def number(at: int, size: int) -> int:
        return int.from_bytes(data[at : at + size], order)

    waiting, seen = [number(4, 4)], set[int]()
    while waiting and len(seen) < _MOST_DIRECTORIES:
        offset = waiting.pop(0)
        if offset in seen or not 8 <= offset < len(data):
            continue
        seen.add(offset)
        values: dict[int, tuple[int, ...]] = {}
        count = number(offset, 2)
        if count > _MOST_ENTRIES:
            continue
        for at in range(offset + 2, offset + 2 + 12 * count, 12):
            tag, size, many = number(at, 2), _BYTES.get(number(at + 2, 2)), min(number(at + 4, 4), 16)
            if size and tag in (_WIDTH, _HEIGHT, _BITS, _PHOTOMETRIC, _SUBFOLDERS, _DNG_VERSION):
                start = at + 8 if size * many <= 4 else number(at + 8, 4)
                values[tag] = tuple(number(start + i * size, size) for i in range(many))
        waiting += [number(offset + 2 + 12 * count, 4), *values.get(_SUBFOLDERS, ())]
        yield _Directory(offset, values)
