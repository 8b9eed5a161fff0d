"""Read IPTC-IIM, the records of news agencies in JPEG and TIFF files: (record, data set) -> texts.

Follows IPTC-NAA Information Interchange Model 4.2, and the "image resource blocks" of Adobe's file format
specification, in which it is stored. Never raises: what cannot be read is left out.
"""

from __future__ import annotations

from collections.abc import Iterator

RESOURCE = 0x0404  # of Photoshop's image resource blocks
# Application record 2.
TITLE, KEYWORDS, HEADLINE, DESCRIPTION = 5, 25, 105, 120
CREATOR, COPYRIGHT = 80, 116
DATE, TIME = 55, 60
SUBLOCATION, CITY, STATE, COUNTRY = 92, 90, 95, 101

_UTF8 = b"\x1b%G"  # ISO 2022: the escape sequence in data set 1:90
_LATIN1 = (b"\x1b.A", b"\x1b-A")
_MOST_SETS = 10_000


def datasets(data: bytes) -> dict[int, list[str]]:
    """Return the texts of the application record by the number of their data set, in order."""
    found: dict[int, list[bytes]] = {}
    declared = b""
    for record, number, value in _records(data):
        if record == 1 and number == 90:
            declared = value
        elif record == 2:
            found.setdefault(number, []).append(value)
    encoding = _encoding(declared, [value for values in found.values() for value in values])
    return {
        number: [value.decode(encoding, "replace") for value in values] for number, values in found.items()
    }


def in_resources(data: bytes) -> bytes:
    """Return the IPTC record inside a sequence of Photoshop's image resource blocks; empty if there is none."""
    at = 0
    while data[at : at + 4] == b"8BIM":
        kind = int.from_bytes(data[at + 4 : at + 6], "big")
        at += 6
        at += (data[at] if at < len(data) else 0) + 2 & ~1  # a Pascal string, padded
        size = int.from_bytes(data[at : at + 4], "big")
        if kind == RESOURCE:
            return data[at + 4 : at + 4 + size]
        at += 4 + size + size % 2
    return b""


def _records(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    at = 0
    for _ in range(_MOST_SETS):
        if len(data) < at + 5 or data[at] != 0x1C:
            return
        record, number, size = data[at + 1], data[at + 2], int.from_bytes(data[at + 3 : at + 5], "big")
        at += 5
        if size & 0x8000:  # an extended data set: the length of the length follows
            digits = size & 0x7FFF
            size, at = int.from_bytes(data[at : at + digits], "big"), at + digits
        yield record, number, data[at : at + size]
        at += size


def _encoding(declared: bytes, values: list[bytes]) -> str:
    """Return the encoding of the texts: the declared one, or a guess.

    Many programs declare none. Text that is valid UTF-8 is UTF-8. Otherwise it is Mac Roman where it has bytes that
    Windows-1252 leaves undefined or that are rare letters there, else Windows-1252.
    """
    if declared == _UTF8:
        return "utf-8"
    if declared in _LATIN1:
        return "cp1252"
    whole = b"".join(value for value in values if not value.isascii())
    try:
        whole.decode()
    except UnicodeDecodeError:
        return "mac_roman" if _looks_like_mac_roman(whole) else "cp1252"
    return "utf-8"


def _looks_like_mac_roman(text: bytes) -> bool:
    """Return whether more bytes are lower-case letters in Mac Roman than in Windows-1252."""
    mac = sum(0x87 <= byte <= 0x9F for byte in text)  # á to ü; in Windows-1252 punctuation and capitals
    windows = sum(byte >= 0xDF for byte in text)  # ß to ÿ; in Mac Roman ligatures, accents and capitals
    return mac > windows
