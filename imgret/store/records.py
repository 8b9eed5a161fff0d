"""What a store gives back, as frozen data."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from msgspec import Struct

from imgret.photo import ModelIdentity

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Counts = NDArray[np.int32]


class Claim(Struct, frozen=True):
    """One content to work on."""

    content: int
    path: bytes  # one of its living paths on a root that is there
    stages: frozenset[str]


class Root(Struct, frozen=True):
    """A folder that was indexed or is watched."""

    id: int
    path: bytes  # absolute, resolved
    filesystem: str | None  # its identity when last seen
    watched: bool
    online: bool
    reason: str | None  # why it is offline
    scanned_at: int | None  # last full scan, seconds since 1970


class MountPoint(Struct, frozen=True):
    """A folder below a root on which another disk was mounted."""

    folder: bytes  # relative to the root
    filesystem: str  # its identity when last seen
    reason: str | None  # why it is offline; None while it is there


READ = "read"  # stands for a stage where a file could not be read at all


class Failure(Struct, frozen=True):
    """A photo that could not be described, and when it is tried again."""

    path: bytes
    stage: str  # its name, or READ
    error: str
    attempts: int
    not_before: int  # seconds since 1970
    set_aside: bool  # tried often enough


class Before(Struct, frozen=True):
    """The previous content of a path, which no longer exists anywhere."""

    content: int
    same_file: bool  # the file was written to; it was not put in the place of another one


class LostNote(Struct, frozen=True):
    """A note whose content no longer exists, while another picture is at its path."""

    path: bytes  # absolute
    text: str
    content: int


class Totals(Struct, frozen=True):
    """Figures about living photos (paths). `described + pending + failed == photos`."""

    photos: int
    described: int
    pending: int
    failed: int
    offline: int  # of all of them, those whose disk is away


class Term(Struct, frozen=True):
    """A word of a question as the index knows it."""

    text: str  # as it was given
    tokens: tuple[str, ...]  # what the tokenizer makes of it; several for a phrase
    documents: int  # about how many hold its rarest token or one of its labels
    labels: tuple[str, ...] = ()  # labels of the library that it means, besides any that is called so


class Occurrences(NamedTuple):
    """How terms stand in documents."""

    counts: Counts  # (contents, terms, columns): how often
    lengths: Counts  # (contents, columns), in tokens
    apart: NDArray[np.bool_]  # (contents,): a word stands there, and nowhere near the one that it describes
    weights: NDArray[np.float32]  # (columns,): how much a word in each counts


class Damaged(Exception):
    """`nearest` is missing, damaged or lacks photos; `rebuild` creates it again."""


TEXT = "embed"  # the stage that makes the vectors of texts, by which a photo is ranked
LABELS, NOTE, NAMES = "labels", "note", "names"  # the columns of the words index that no stage has


class SpaceTraits(Struct, frozen=True):
    """What a stage says of the space of its vectors."""

    lead: str  # the view that stands for a photo in the search for nearest neighbours
    weight: float = 0.0  # in the ranking: of a standard score, in spreads of the text's cosines


class Space(Struct, frozen=True):
    """What the vectors of one encoder lie in."""

    id: int
    stage: str
    identity: ModelIdentity  # the encoder's
    dimension: int
    lead: str
    weight: float
    active: bool  # it is the one of its stage that is searched


TEXT_SPACE = SpaceTraits("passage")


class TextColumn(NamedTuple):
    """A column of the words index."""

    name: str
    stage: str | None  # whose text it holds; None: labels, notes or names
    weight: float = 1.0  # of a word in it, in BM25
