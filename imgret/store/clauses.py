"""The filters of a query, as data."""

from __future__ import annotations

from msgspec import Struct

OBJECT = "object"  # the kind of tags that are counted: `dog>=2`
# Formats that a name stands for. MPO: a JPEG with more images inside, as many phones and cameras write it.
FAMILIES = {"JPEG": ("JPEG", "MPO")}
HAS = ("note", "caption", "gps", "objects", "topics", "date", "text")


class Taken(Struct, frozen=True, tag=True):
    """Taken within [start, end), wall-clock seconds since 1970; with all of its day, month or year, if no more is known."""

    start: int | None
    end: int | None


class Inside(Struct, frozen=True, tag=True):
    """In this folder or below it: an absolute path, or consecutive folder names, case-folded."""

    folder: bytes


class Named(Struct, frozen=True, tag=True):
    """The file name contains this text, or matches it as a pattern with `*` and `?`; both are case-folded."""

    pattern: str


class Objects(Struct, frozen=True, tag=True):
    """Between `least` and `most` objects were detected; `labels.matching_labels` defines which labels count."""

    label: str
    least: int
    most: int | None


class Tagged(Struct, frozen=True, tag=True):
    """A tag of this kind contains this case-folded text, or is its singular or a synonym of it."""

    kind: str
    name: str


class Rated(Struct, frozen=True, tag=True):
    """Between `least` and `most` stars, 0 to 5. Photos without a rating, and rejected ones, have 0.

    The user's own rating counts, else that of the file.
    """

    least: int
    most: int


class Camera(Struct, frozen=True, tag=True):
    """The make and model of the camera contain this case-folded text."""

    name: str


class Has(Struct, frozen=True, tag=True):
    """The photo has one of `HAS`, or a tag of this kind."""

    what: str


class Online(Struct, frozen=True, tag=True):
    """The disk of the photo is online, or offline."""

    online: bool


class Format(Struct, frozen=True, tag=True):
    """The format of the file as Pillow names it, or a related one."""

    name: str


class Phrase(Struct, frozen=True, tag=True):
    """The caption, labels, note or names contain these words in this order."""

    words: str


class Containing(Struct, frozen=True, tag=True):
    """The text in the image contains these letters and digits one behind the other, whatever stands between them."""

    text: str


class Near(Struct, frozen=True, tag=True):
    """Taken at most so many kilometres from a point. Degrees, north and east positive."""

    latitude: float
    longitude: float
    km: float


class Around(Struct, frozen=True, tag=True):
    """Near one of several points, which cover the area with this name."""

    area: str
    circles: tuple[Near, ...]


Filter = (
    Taken
    | Inside
    | Named
    | Objects
    | Tagged
    | Rated
    | Camera
    | Has
    | Online
    | Format
    | Phrase
    | Containing
    | Near
    | Around
)


class Clause(Struct, frozen=True):
    """A filter, or its negation."""

    filter: Filter
    negated: bool = False
