"""What a question may ask of a photo beside its meaning: filters as data, and clauses made of them."""

from __future__ import annotations

from msgspec import Struct

OBJECT = "object"  # the kind of tags that are counted: `dog>=2`
HAS = ("note", "caption", "gps", "objects", "topics", "date")


class Taken(Struct, frozen=True, tag=True):
    """Taken within [start, end), wall-clock seconds since 1970."""

    start: int | None
    end: int | None


class Inside(Struct, frozen=True, tag=True):
    """In this folder or below it: an absolute path, or folder names that follow each other, folded."""

    folder: bytes


class Named(Struct, frozen=True, tag=True):
    """The file name holds this text, or fits it as a pattern with `*` and `?`; both are folded."""

    pattern: str


class Objects(Struct, frozen=True, tag=True):
    """At least `least` and at most `most` of these were detected; `labels.matching_labels` says which labels count."""

    label: str
    least: int
    most: int | None


class Tagged(Struct, frozen=True, tag=True):
    """A tag of this kind contains this text, folded, or is what it means: its singular, another name for it."""

    kind: str
    name: str


class Camera(Struct, frozen=True, tag=True):
    """The camera's make and model hold this text, folded."""

    name: str


class Has(Struct, frozen=True, tag=True):
    """It has this: one of `HAS`, or a tag of this kind."""

    what: str


class Online(Struct, frozen=True, tag=True):
    """Its disk is there, or not."""

    online: bool


class Format(Struct, frozen=True, tag=True):
    """The file's format, as Pillow names it, or another of its family."""

    name: str


class Said(Struct, frozen=True, tag=True):
    """These words, in this order, stand in its caption, labels, note or names."""

    words: str


Filter = Taken | Inside | Named | Objects | Tagged | Camera | Has | Online | Format | Said


class Clause(Struct, frozen=True):
    """A filter, or its opposite."""

    filter: Filter
    negated: bool = False
