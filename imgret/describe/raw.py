"""Camera raw files, by the JPEG preview that every one of them carries.

CR2, CR3, NEF, ARW, DNG, ORF, RW2, RAF and their kin differ in where they keep the previews; instead of
a parser for each, the bytes are searched for JPEG streams and the largest picture wins. The sensor's own
data may be lossless JPEG (CR2, DNG): such frames are told by their marker and passed over.
"""

from __future__ import annotations

from mmap import mmap

EXTENSIONS = frozenset(
    b"3fr arw cr2 cr3 crw dcr dng erf kdc mef mos mrw nef nrw orf pef raf raw rw2 rwl sr2 srf srw x3f".split()
)

_START = b"\xff\xd8\xff"
_SHOWN = (0xC0, 0xC1, 0xC2)  # baseline, extended and progressive frames: what every viewer decodes
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # ITU T.81, table B.1
_MOST_SEGMENTS = 200


def is_raw(path: bytes) -> bool:
    """By its name: most raw formats are TIFF inside, and Pillow would show their tiny first page."""
    return path.rpartition(b".")[2].lower() in EXTENSIONS


def largest_preview(data: bytes | mmap) -> tuple[int, int, int] | None:
    """(offset, width, height) of the largest ordinary JPEG inside `data`; None if there is none."""
    best: tuple[int, int, int] | None = None
    at = data.find(_START)
    while at >= 0:
        size = _frame_size(data, at + 2)
        if size and (best is None or size[0] * size[1] > best[1] * best[2]):
            best = (at, *size)
        at = data.find(_START, at + 2)
    return best


def _frame_size(data: bytes | mmap, at: int) -> tuple[int, int] | None:
    """Walk the segments that start at `at` to the frame header: (width, height) of 8-bit pictures."""
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
