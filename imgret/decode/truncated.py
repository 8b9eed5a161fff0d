"""Decode truncated images, and measure how much of one could be decoded.

An image is accepted when at least four fifths of its rows were decoded (`MIN_SHARE`). The first scan of a progressive
JPEG fills all rows at low quality. Such a file is accepted when the complete scans contain all frequencies of the
luminance and the averages of the colours: then only refinements are missing.
"""

from __future__ import annotations

import os
import re
from io import BytesIO
from typing import IO

from PIL import Image

MIN_SHARE = 0.8  # of the rows
FORMATS = frozenset({"JPEG", "PNG", "TIFF", "BMP"})  # their decoders return the rows that they could read

# Pixels without data: libjpeg fills them with middle grey (CMYK is inverted, hence the range), other decoders with 0.
_GREY = range(126, 130)
_END_OF_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")  # any marker but a restart; ITU T.81, B.1.1.2
_START_OF_SCAN, _END_OF_IMAGE = 0xDA, 0xD9
_MOST_SEGMENTS = 10_000
_TAIL = 64  # bytes


def reopen(file: IO[bytes], known: str) -> tuple[Image.Image, bytes]:
    """Return the image, to be loaded with `ImageFile.LOAD_TRUNCATED_IMAGES`, and its bytes without trailing zeros.

    An interrupted download or a full disk leaves zeros at the end of a file whose size was set beforehand.
    """
    file.seek(0)
    data = file.read().rstrip(b"\0")
    return Image.open(BytesIO(data), formats=(known,)), data


def is_end_missing(file: IO[bytes], known: str) -> bool:
    """Return whether the end marker of a JPEG is missing; the position of `file` is kept.

    The decoder reports this only where bytes are missing; zeros in their place are decoded to noise. Bytes after the
    end marker are padding or belong to other data.
    """
    if known != "JPEG":
        return False
    at = file.tell()
    try:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _TAIL))
        if b"\xff\xd9" in file.read():  # true for nearly every JPEG, so the whole file is rarely parsed
            return False
        file.seek(0)
        return not _Scans(file.read().rstrip(b"\0")).ended
    finally:
        file.seek(at)


def decoded_share(image: Image.Image, known: str, data: bytes) -> float:
    """Return the share of the rows of a loaded image that was decoded, from 0 to 1."""
    if known == "JPEG":
        scans = _Scans(data)
        if len(scans.found) != 1 and not scans.cover():
            return 0.0
        image = image.point([0 if value in _GREY else 255 for value in range(256)] * len(image.getbands()))
    elif image.info.get("interlace"):  # the missing pixels are spread over all rows
        return 0.0
    box = image.getbbox(alpha_only=False)
    if box is None:
        return 0.0
    rows = image.height - box[1] if known == "BMP" else box[3]  # BMP stores the bottom row first
    return rows / image.height


class _Scan:
    """The components and frequencies that a scan contains, and whether it is complete (`whole`)."""

    def __init__(self, header: bytes, *, whole: bool) -> None:
        count = header[0] if header else 0
        self.components = frozenset(header[1 : 1 + 2 * count : 2])
        self.frequencies = range(header[-3], header[-2] + 1) if len(header) >= 4 + 2 * count else range(0)
        self.whole = whole


class _Scans:
    """The scans of the first image in a JPEG file, and whether its end marker is present."""

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
        """Return whether the complete scans have all luminance frequencies and the averages of all components."""
        components = frozenset().union(*(scan.components for scan in self.found))
        if not components:
            return False
        whole = [scan for scan in self.found if scan.whole]
        averages = frozenset().union(*(scan.components for scan in whole if 0 in scan.frequencies))
        brightness = {f for scan in whole if min(components) in scan.components for f in scan.frequencies}
        return components <= averages and brightness >= set(range(64))
