"""Data types shared by the whole project: files, contents, descriptions and hits.

All are frozen. A *photo* is a path; a *content* is the bytes at that path, identified
by their BLAKE3 hash. Descriptions, notes and vectors belong to the content, so moving, renaming or copying a
file requires no new description.

Paths are `bytes`: a name on a Linux disk need not be UTF-8.
"""

from __future__ import annotations

import os
from typing import Any, NamedTuple

from msgspec import Struct


class FileStat(NamedTuple):
    """The fields of `stat` by which a scan detects changes.

    A file with an equal FileStat is treated as unchanged. A different FileStat only means that the file has to
    be hashed again.
    """

    size: int  # bytes
    mtime_ns: int
    ctime_ns: int
    inode: int


_new_tuple = tuple.__new__
_INT64_MAX = 2**63 - 1  # stores keep signed integers of 64 bits


def file_stat_of(status: os.stat_result) -> FileStat:
    """Return the FileStat of a file, each field as a signed 64-bit integer.

    An inode number above 2**63 (mergerfs) or a time after the year 2262 is reduced modulo 2**64. Such values
    still compare as equal or different, and a FileStat is used for nothing else.
    """
    fields = size, mtime, ctime, inode = (
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
        status.st_ino,
    )
    # A rescan calls this for every file; max() and min() of the four fields would take twice as long.
    if (
        -_INT64_MAX <= inode <= _INT64_MAX
        and -_INT64_MAX <= mtime <= _INT64_MAX
        and -_INT64_MAX <= ctime <= _INT64_MAX
        and -_INT64_MAX <= size <= _INT64_MAX
    ):
        return _new_tuple(FileStat, fields)  # takes a quarter of the time of FileStat(*fields)
    size, mtime, ctime, inode = ((value + 2**63) % 2**64 - 2**63 for value in fields)
    return FileStat(size, mtime, ctime, inode)


class Facts(Struct, frozen=True):
    """Properties read from the file itself, without any model."""

    format: str  # Pillow's name: JPEG, PNG, HEIF, ...
    width: int  # pixels, after the EXIF orientation was applied
    height: int
    taken_at: int | None = None  # seconds since 1970; the camera's local time, treated as UTC
    camera: str | None = None  # "make model", without a repeated make
    latitude: float | None = None  # degrees, north positive
    longitude: float | None = None  # degrees, east positive
    truncated: bool = False  # the end of the image data is missing; the rest was described
    subsecond: str | None = None  # of `taken_at`: the digits after the decimal point, without trailing zeros

    @property
    def position(self) -> tuple[float, float] | None:
        """Latitude and longitude, if both are known."""
        return None if self.latitude is None or self.longitude is None else (self.latitude, self.longitude)


PRECISIONS = ("year", "month", "day", "second")  # how exactly a date is known


class PhotoDate(Struct, frozen=True, omit_defaults=True):
    """When a photo was taken, as far as it is known."""

    at: int  # seconds since 1970 of the wall clock; the beginning of the year, month or day if no more is known
    source: str  # exif, xmp, iptc, sidecar, name, folder or mtime
    precision: str = "second"  # one of PRECISIONS
    zone: int | None = None  # minutes east of UTC
    subsecond: str | None = None  # the digits after the decimal point, without trailing zeros


class Face(Struct, frozen=True):
    """A named region of the image."""

    name: str
    box: tuple[float, float, float, float]  # left, top, right, bottom as fractions of width and height


class SidecarNote(Struct, frozen=True, omit_defaults=True):
    """A user's note that `imgret sidecars write` wrote into a sidecar."""

    text: str
    at: int  # seconds since 1970, when it was written, or edited in another program
    edited: bool = False


class Metadata(Struct, frozen=True, omit_defaults=True):
    """What people and programs wrote into a file and its sidecars. All texts are printable and of limited length."""

    title: str | None = None
    description: str | None = None
    keywords: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()  # hierarchical keywords: "Places|Italy|Rome"
    people: tuple[str, ...] = ()
    faces: tuple[Face, ...] = ()
    albums: tuple[str, ...] = ()
    rating: int | None = None  # 0 to 5 stars; -1: rejected
    label: str | None = None  # a colour label, in lower case
    creator: tuple[str, ...] = ()
    copyright: str | None = None
    location: tuple[str, ...] = ()  # names of places, the smallest first
    taken: PhotoDate | None = None
    position: tuple[float, float] | None = None  # latitude, longitude in degrees
    note: SidecarNote | None = None
    problems: tuple[str, ...] = ()  # sentences about what could not be read


class Detection(Struct, frozen=True):
    """One object found by the detector."""

    label: str  # in lower case, as in the baseline recipe
    confidence: float  # 0..1
    box: tuple[float, float, float, float]  # left, top, right, bottom as fractions of width and height


# x, y of four corners as fractions of width and height, clockwise from the one where the text begins
Corners = tuple[float, float, float, float, float, float, float, float]


class TextLine(Struct, frozen=True):
    """A line of text in the image."""

    text: str
    confidence: float  # 0..1, the mean over its characters
    box: Corners


class Tag(Struct, frozen=True):
    """A label of a photo: `KIND:LABEL` finds it, and `LABEL>=2` where it is an object that was counted."""

    kind: str
    label: str
    count: int = 1


class ModelIdentity(Struct, frozen=True, order=True):
    """The model that produced a result. Results are comparable only if their identities are equal."""

    name: str  # a hub name, or the name of a local file or folder
    revision: str  # the commit id on the hub, or "sha256:..." of a local file or folder
    settings: str = ""  # everything else that affects the result: "beams=3 tokens=60 float32"


class Photo(Struct, frozen=True):
    """A path in the index, and the content at that path."""

    id: int
    path: bytes  # absolute
    file_stat: FileStat
    content: int | None  # None until the file could be read
    online: bool = True
    # seconds since 1970, when the file was found deleted; such a row is a tombstone
    gone_at: int | None = None


RANKS = ("hybrid", "image", "vector", "words")  # how hits can be ordered
SORTS = ("score", "date", "path")  # how the best hits can be sorted
STRENGTHS = ("weak", "fair", "strong")  # how well a hit matches the query


class Hit(Struct, frozen=True):
    """One search result: a content, the path under which it is shown, and why it matched."""

    rank: int  # from 1
    content: int
    path: bytes
    score: float  # the sum computed by the ranking; comparable only within one result list
    cosine: float | None  # of the first view; None without a vector
    strength: str | None  # one of STRENGTHS: the confidence in words; None if nothing was sought
    shown: dict[str, Any]  # the keys that the results of stages give to its JSON: `caption`, `objects`, ...
    note: str | None
    taken_at: int | None
    width: int | None
    height: int | None
    online: bool
    why: tuple[str, ...]  # the words, counts and parts of the note that matched
    other_paths: tuple[bytes, ...] = ()  # copies of the same content
    taken_precision: str | None = None  # of `taken_at`: one of PRECISIONS
    confidence: float | None = None  # 0..1, the estimated probability that a person agrees

    @property
    def caption(self) -> str | None:
        """Its caption; None while it has none."""
        return self.shown.get("caption")

    @property
    def objects(self) -> dict[str, int]:
        """Label -> how many, in the order in which they were found."""
        return self.shown.get("objects") or {}
