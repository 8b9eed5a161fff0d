"""Pictures that lack their last bytes: how much of one is there, and whether that is enough to describe it.

A picture is accepted when at least four fifths of its rows were decoded (`ENOUGH`). A JPEG of several
scans, as progressive ones are, fills all rows with its first scan, coarsely: it is accepted when its
brightness has all its frequencies and its colours their averages, so that only refinements are missing.
"""

from __future__ import annotations

import os
import re
from io import BytesIO
from typing import IO

from PIL import Image

ENOUGH = 0.8  # of the rows
FORMATS = frozenset({"JPEG", "PNG", "TIFF", "BMP"})  # whose decoders give the rows that they could read

# What a decoder leaves where it has no data: libjpeg middle grey (CMYK is inverted, hence the range), the others 0.
_GREY = range(126, 130)
_END_OF_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")  # any marker but a restart; ITU T.81, B.1.1.2
_START_OF_SCAN, _END_OF_IMAGE = 0xDA, 0xD9
_MOST_SEGMENTS = 10_000
_TAIL = 64  # bytes


def reopened(file: IO[bytes], known: str) -> tuple[Image.Image, bytes]:
    """The picture, to be loaded with `ImageFile.LOAD_TRUNCATED_IMAGES`, and the bytes that are there.

    Zeros at the end are none of them: they are what a broken download or a full disk leaves of a file
    whose size was set beforehand.
    """
    file.seek(0)
    data = file.read().rstrip(b"\0")
    return Image.open(BytesIO(data), formats=(known,)), data


def lacks_its_end(file: IO[bytes], known: str) -> bool:
    """Whether the end marker of a JPEG is missing; the position of `file` stays.

    The decoder says so only where it misses the bytes, and decodes zeros in place of the end to noise. What
    stands behind the end marker is padding, or belongs to something else.
    """
    if known != "JPEG":
        return False
    at = file.tell()
    try:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _TAIL))
        if b"\xff\xd9" in file.read():  # as in nearly every JPEG: the rest need not be read for this
            return False
        file.seek(0)
        return not _Scans(file.read().rstrip(b"\0")).ended
    finally:
        file.seek(at)


def share(image: Image.Image, known: str, data: bytes) -> float:
    """How much of a loaded picture was decoded, from 0 to 1."""
    if known == "JPEG":
        scans = _Scans(data)
        if len(scans.found) != 1 and not scans.cover():
            return 0.0
        image = image.point([0 if value in _GREY else 255 for value in range(256)] * len(image.getbands()))
    elif image.info.get("interlace"):  # its last rows come early, and its holes are everywhere
        return 0.0
    box = image.getbbox(alpha_only=False)
    if box is None:
        return 0.0
    return (image.height - box[1] if known == "BMP" else box[3]) / image.height  # BMP begins at the bottom


class _Scan:
    """Which components and frequencies of a frame a scan holds, and whether it was there to its end."""

    def __init__(self, header: bytes, *, whole: bool) -> None:
        count = header[0] if header else 0
        self.components = frozenset(header[1 : 1 + 2 * count : 2])
        self.frequencies = range(header[-3], header[-2] + 1) if len(header) >= 4 + 2 * count else range(0)
        self.whole = whole


class _Scans:
    """The scans of the first picture in a JPEG file, and whether its end marker is there."""

    def __init__(self, data: bytes) -> None:
        self.found: list[_Scan] = []
        self.ended = False
        at = 2
        for _ in range(_MOST_SEGMENTS):
            marker, length = data[at + 1 : at + 2], int.from_bytes(data[at + 2 : at + 4], "big")
            if data[at : at + 1] != b"\xff" or not marker:
                return
            if marker[0] == _END_OF_IMAGE:
                self.ended = True
                return
            if marker == b"\xff":  # fill bytes
                at += 1
                continue
            begin, at = at + 4, at + 2 + length
            if marker[0] == _START_OF_SCAN:
                end = _END_OF_SCAN.search(data, at)
                self.found.append(_Scan(data[begin:at], whole=end is not None))
                if end is None:
                    return
                at = end.start()

    def cover(self) -> bool:
        """Whether those that are there to their end hold all that is needed to see the picture."""
        components = frozenset().union(*(scan.components for scan in self.found))
        if not components:
            return False
        whole = [scan for scan in self.found if scan.whole]
        averages = frozenset().union(*(scan.components for scan in whole if 0 in scan.frequencies))
        brightness = {f for scan in whole if min(components) in scan.components for f in scan.frequencies}
        return components <= averages and brightness >= set(range(64))
