"""Frozen records that a store returns."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from msgspec import Struct

from imgret.photo import ModelIdentity

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Counts = NDArray[np.int32]


class Position(NamedTuple):
    """A place in the order in which work is claimed: greater ones first."""

    request: int
    date: int  # of the photo, seconds since 1970
    content: int


class Claim(Struct, frozen=True):
    """A content whose work was claimed."""

    content: int
    path: bytes  # one of its present paths on a root that is online
    stages: frozenset[str]
    position: Position


class Progress(Struct, frozen=True):
    """How far the stages are. Counts contents that a photo has now."""

    contents: int
    waiting: dict[str, int]  # by stage: contents whose result is missing or outdated
    failed: dict[str, int]  # by stage: of those, the ones that have failed; not in `waiting`

    def done(self, stage: str) -> int:
        """Return how many contents have a result of the stage."""
        return self.contents - self.waiting.get(stage, 0) - self.failed.get(stage, 0)


class Host(Struct, frozen=True):
    """A process that describes photos of a store that several hosts share."""

    name: str  # of the host
    process: int
    version: str  # of imgret
    devices: str
    state: str
    rate: float  # photos a second
    claimed: int  # photos in flight
    silent: int  # seconds since it was last seen, by the clock of the server
    own: bool  # of this user on this host


class Root(Struct, frozen=True):
    """A folder that was indexed or is watched."""

    id: int
    path: bytes  # absolute, resolved
    filesystem: str | None  # identity of its file system at the last scan
    watched: bool
    online: bool
    reason: str | None  # why it is offline
    scanned_at: int | None  # last full scan, seconds since 1970
    here: bool = True  # this host has looked at it; the others are known from other hosts alone


class MountPoint(Struct, frozen=True):
    """A folder below a root on which another disk was mounted."""

    folder: bytes  # relative to the root
    filesystem: str  # identity of its file system at the last scan
    reason: str | None  # why it is offline; None if it is online


class Looks(NamedTuple):
    """The perceptual hashes (`decode.perceptual`) of some contents."""

    contents: NDArray[np.int64]  # (photos,), ascending
    signatures: NDArray[np.int8]  # (photos, 64)
    details: NDArray[np.uint8]  # (photos, 24); zeros where there is none
    colours: NDArray[np.int8]  # (photos, 2); zeros where there is no detail
    has_detail: NDArray[np.bool_]  # (photos,); an older version computed neither detail nor colour


class Traits(NamedTuple):
    """What is compared of copies, of some living contents."""

    contents: NDArray[np.int64]  # ascending
    paths: NDArray[np.int64]  # at how many paths each is
    pixels: NDArray[np.uint8]  # (contents, 32): the BLAKE3 of the upright pixels; zeros before it was decoded
    area: NDArray[np.int64]  # pixels
    size: NDArray[np.int64]  # bytes
    taken_at: NDArray[np.int64]  # seconds since 1970; NO_TIME if not known
    subsecond: NDArray[np.float64]  # of `taken_at`; -1 if not known
    camera: NDArray[np.int64]  # a number for each camera, the same in one process; 0 if not known
    has_place: NDArray[np.bool_]
    has_note: NDArray[np.bool_]
    formats: list[str]  # Pillow's names; empty before it was decoded
    names: list[bytes]  # the name of one file of each


NO_TIME = -(1 << 62)
READ = "read"  # used as the stage of a file that could not be read at all


class Failure(Struct, frozen=True):
    """A photo that could not be read or described, and when it is retried."""

    path: bytes
    stage: str  # its name, or READ
    error: str
    attempts: int
    not_before: int  # seconds since 1970
    set_aside: bool  # no more automatic retries


class PreviousContent(Struct, frozen=True):
    """The previous content of a path, which no path has any more."""

    content: int
    same_file: bool  # the file was modified in place, not replaced by another file


class LostNote(Struct, frozen=True):
    """A note whose content no path has any more, while its path has another photo."""

    path: bytes  # absolute
    text: str
    content: int


class Totals(Struct, frozen=True):
    """Counts of the photos (paths) that are not deleted. `described + pending + failed == photos`."""

    photos: int
    described: int
    pending: int
    failed: int
    offline: int  # of `photos`, those whose disk is offline


class Term(Struct, frozen=True):
    """A word of a query, as it is in the index."""

    text: str  # as in the query
    tokens: tuple[str, ...]  # from the tokenizer; several for a phrase
    documents: int  # about how many contain its rarest token or have one of its labels
    labels: tuple[str, ...] = ()  # labels of the library that it matches, other than by their own name


class Occurrences(NamedTuple):
    """How often and where terms occur in documents."""

    counts: Counts  # (contents, terms, columns): number of occurrences
    lengths: Counts  # (contents, columns), in tokens
    apart: NDArray[np.bool_]  # (contents,): a word occurs, but not near the word that it describes
    weights: NDArray[np.float32]  # (columns,): weight of a word in each column


class Damaged(Exception):
    """The table `nearest` is missing, damaged or incomplete; `rebuild` recreates it."""


TEXT = "embed"  # the stage of the text vectors
IMAGE = "image"  # ... and that of the vectors of the images themselves, in one space with texts
LABELS, NOTE, NAMES = "labels", "note", "names"  # columns of the words index that belong to no stage


IMPORTED = "imported"  # in place of a stage: tags that the user imported
# Kinds of tags that are filters only: a photo with the colour label "red" need not show anything red.
SILENT_KINDS = ("label", "rating", "problem")


class SpaceTraits(Struct, frozen=True):
    """How the space of the vectors of a stage is searched and weighted."""

    lead: str  # the view that is used in the search for nearest neighbours
    weight: float = 0.0  # in the ranking: of a standard score, in standard deviations of the text cosines


class Space(Struct, frozen=True):
    """The vector space of one encoder."""

    id: int
    stage: str
    identity: ModelIdentity  # the encoder's
    dimension: int
    lead: str
    weight: float
    active: bool  # searches use this space of its stage


TEXT_SPACE = SpaceTraits("passage")


class TextColumn(NamedTuple):
    """A column of the words index."""

    name: str
    stage: str | None  # whose text it contains; None: labels, notes or names
    weight: float = 1.0  # of a word in it, in BM25
    substrings: bool = False  # parts of its words are found, too, and spaces do not matter
