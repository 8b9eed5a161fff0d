"""Find the XMP and IPTC of an image file, wherever its format stores them."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from itertools import islice
from mmap import ACCESS_READ, mmap
from typing import IO

from PIL import Image

from imgret.decode import iptc
from imgret.decode.exif import Tags
from imgret.decode.xmp import MOST_BYTES

_PNG = b"\x89PNG\r\n\x1a\n"
_KNOWN = ("JPEG", "MPO", "WEBP", "TIFF", "HEIF", "AVIF")  # formats whose XMP Pillow finds
_SEARCHED = 1 << 29  # bytes: larger than any photo, but a disk image may have the extension .raw
_XMP_TAG, _IPTC_TAG, _RESOURCES_TAG = 700, 33723, 34377  # of TIFF
_EXTENSION = b"http://ns.adobe.com/xmp/extension/\0"
_PACKETS = ((b"<x:xmpmeta", b"</x:xmpmeta>"), (b"<x:xapmeta", b"</x:xapmeta>"))


def xmp_packets(file: IO[bytes], image: Image.Image, tags: Tags) -> list[bytes]:
    """Return the XMP packets of an open image: the main one and, in a JPEG, an extension of it.

    `tags` is the main EXIF directory. Pillow finds XMP in most formats. In the others, raw formats among them, the
    file is searched for a packet (XMP Specification Part 3, 1.1: packet scanning).
    """
    # a raw file's own, or that of its preview
    found = _bytes(tags.get(_XMP_TAG)) or _bytes(image.info.get("xmp"))
    if found:
        return [found, *_extension(image)]
    with mmap(file.fileno(), 0, access=ACCESS_READ) as data:
        if data[: len(_PNG)] == _PNG:
            return list(islice(_png_texts(data), 1))
        is_preview = image.format in ("JPEG", "MPO") and data[:2] != b"\xff\xd8"
        if image.format in _KNOWN and not is_preview:
            return []
        return list(islice(_scanned(data), 1))


def iptc_record(image: Image.Image, tags: Tags) -> bytes:
    """Return the IPTC record of an open image; empty if it has none."""
    # In TIFF the record may have the type of a list of numbers, of which Pillow's own attribute keeps the bytes.
    unparsed = getattr(getattr(image, "tag_v2", None), "_tagdata", {})
    found = _bytes(unparsed.get(_IPTC_TAG)) or _bytes(tags.get(_IPTC_TAG))
    found = found or iptc.in_resources(_bytes(tags.get(_RESOURCES_TAG)) or b"")
    resources = image.info.get("photoshop")
    if not found and isinstance(resources, dict):
        found = _bytes(resources.get(iptc.RESOURCE)) or b""
    return found


def _bytes(value: object) -> bytes | None:
    """Return a value as bytes; TIFF tags may have the type of numbers."""
    if isinstance(value, str):
        return value.encode(errors="replace")
    if (
        isinstance(value, tuple)
        and value
        and all(isinstance(each, int) and 0 <= each < 256 for each in value)
    ):
        return bytes(value)
    return bytes(value) if isinstance(value, bytes | bytearray) and value else None


def _extension(image: Image.Image) -> list[bytes]:
    """Return the extended XMP of a JPEG, joined from its segments: 32 bytes GUID, total length, offset, a part.

    XMP Specification Part 3, 1.1.3.1. Of several extensions the first is used.
    """
    parts: dict[int, bytes] = {}
    wanted = b""
    for marker, data in getattr(image, "applist", ()):
        if marker == "APP1" and data.startswith(_EXTENSION):
            body = data[len(_EXTENSION) :]
            guid, offset = body[:32], int.from_bytes(body[36:40], "big")
            wanted = wanted or guid
            if guid == wanted and offset <= MOST_BYTES:
                parts[offset] = body[40:]
    joined = b"".join(part for _, part in sorted(parts.items()))
    return [joined] if joined else []


def _png_texts(data: mmap) -> Iterator[bytes]:
    at = len(_PNG)
    while at + 8 <= len(data):
        length, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        if kind == b"iTXt" and length <= MOST_BYTES:
            # keyword, NUL, whether compressed, method, language, NUL, translated keyword, NUL, text
            keyword, _, rest = data[at + 8 : at + 8 + length].partition(b"\0")
            if keyword == b"XML:com.adobe.xmp":
                compressed, text = rest[:1] == b"\1", rest[2:].partition(b"\0")[2].partition(b"\0")[2]
                yield _inflated(text) if compressed else text
        at += 12 + length


def _inflated(data: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(data, MOST_BYTES)
    except zlib.error:
        return b""


def _scanned(data: mmap) -> Iterator[bytes]:
    for begin, end in _PACKETS:
        start = data.find(begin, 0, _SEARCHED)
        stop = data.find(end, start, start + MOST_BYTES) if start >= 0 else -1
        if stop >= 0:
            yield data[start : stop + len(end)]
