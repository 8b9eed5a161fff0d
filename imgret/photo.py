"""The nouns: what a file is on disk, what is known of its content, and what a question found.

Plain, frozen data without behaviour, shared by every room of the project. A *photo* is a path; a
*content* is the bytes that lie there, named by their BLAKE3. Descriptions, notes and vectors belong
to the content, so that a move, a rename or a copy costs nothing.

Paths are `bytes`: a name on a Linux disk need not be UTF-8.
"""

from __future__ import annotations

import os
from enum import StrEnum
from typing import NamedTuple

from msgspec import Struct


class FileStat(NamedTuple):
    """What `stat` says of a file. Equal values mean *unchanged*; a difference is only a suspicion."""

    size: int  # bytes
    mtime_ns: int
    ctime_ns: int
    inode: int


_of = tuple.__new__
_MOST = 2**63 - 1  # stores keep signed integers of 64 bits


def file_stat_of(status: os.stat_result) -> FileStat:
    """What `stat` says of a file, each field as a signed 64-bit integer.

    An inode number above 2**63 (mergerfs) or a time after the year 2262 is taken modulo 2**64: it stays
    equal to itself and different from others, which is all that a FileStat needs.
    """
    seen = size, mtime, ctime, inode = (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
    # A rescan asks this of every file; max() and min() of the four would take twice as long.
    if (
        -_MOST <= inode <= _MOST
        and -_MOST <= mtime <= _MOST
        and -_MOST <= ctime <= _MOST
        and -_MOST <= size <= _MOST
    ):
        return _of(FileStat, seen)  # a quarter of the time of FileStat(*seen)
    size, mtime, ctime, inode = ((value + 2**63) % 2**64 - 2**63 for value in seen)
    return FileStat(size, mtime, ctime, inode)


class Facts(Struct, frozen=True):
    """What the file itself says, without any model."""

    format: str  # Pillow's name: JPEG, PNG, HEIF, ...
    width: int  # pixels, upright (after the EXIF orientation)
    height: int
    taken_at: int | None = None  # seconds since 1970, the camera's wall clock read as UTC
    camera: str | None = None  # "make model", the make not said twice
    latitude: float | None = None  # degrees, north positive
    longitude: float | None = None  # degrees, east positive
    truncated: bool = False  # the end of the picture is missing; what is there was described
    subsecond: str | None = None  # of `taken_at`: digits after the decimal point, without zeros at the end


class Detection(Struct, frozen=True):
    """One object the detector found."""

    label: str  # lower case, as the recipe has it
    confidence: float  # 0..1
    box: tuple[float, float, float, float]  # left, top, right, bottom as fractions of width and height


class Stage(StrEnum):
    """The steps from a file to a vector, in the order in which they follow from each other."""

    DECODE = "decode"  # facts, and the hash of the upright pixels
    CAPTION = "caption"
    DETECT = "detect"
    TOPICS = "topics"  # of the caption
    EMBED = "embed"  # of the caption, the counts, the topics and the note


class View(StrEnum):
    """The texts of one content that are embedded apart; `PASSAGE` is the seed's and leads."""

    PASSAGE = "passage"
    CAPTION = "caption"
    COUNTS = "counts"
    NOTE = "note"


class ModelIdentity(Struct, frozen=True, order=True):
    """Which model made a result. Two results may be compared only where their identities are equal."""

    name: str  # a hub name, or the name of a local file or folder
    revision: str  # the pull's commit id, or "sha256:..." of a local file or folder
    settings: str = ""  # what else shapes the result: "beams=3 tokens=60 float32"


class Description(Struct, frozen=True):
    """All that is known of one content. `None` means *not described yet*, empty means *nothing found*."""

    caption: str | None = None
    detections: tuple[Detection, ...] | None = None
    topics: tuple[str, ...] | None = None
    note: str | None = None


class Photo(Struct, frozen=True):
    """A path in the index and what lies there."""

    id: int
    path: bytes  # absolute
    file_stat: FileStat
    content: int | None  # None until the file could be read
    online: bool = True
    gone_at: int | None = None  # seconds since 1970; a tombstone


RANKS = ("hybrid", "vector", "words")  # how answers can be ordered
STRENGTHS = ("weak", "fair", "strong")  # how well a hit answers


class Hit(Struct, frozen=True):
    """One answer to a question: a content, the path it is shown by, and why it was found."""

    rank: int  # from 1
    content: int
    path: bytes
    score: float  # the ranking's own sum; comparable within one answer only
    cosine: float | None  # of the leading view; None when only words found it
    strength: str  # one of STRENGTHS
    caption: str | None
    objects: dict[str, int]  # label -> how many
    topics: tuple[str, ...]
    note: str | None
    taken_at: int | None
    width: int | None
    height: int | None
    online: bool
    why: tuple[str, ...]  # the words, counts and parts of the note that matched
    other_paths: tuple[bytes, ...] = ()  # copies of the same content
