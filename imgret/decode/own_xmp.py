"""What `imgret sidecars write` has written into a sidecar, in a namespace of imgret's own.

The record lists the keywords and the description that are imgret's: these are not read as words of a person, and
`imgret sidecars remove` takes away exactly these.
"""

from __future__ import annotations

from typing import get_type_hints

from msgspec import Struct

from imgret.decode.xmp import Struct as Properties

PREFIX = "imgret"
# A URN, because it claims no domain. XMP Specification Part 1, 7.2: a namespace ends with a slash or `#`.
NAMESPACE = "urn:imgret:xmp:1.0/"
OWN = NAMESPACE + "}"
ROOT = "imgret"  # of the hierarchical keywords: imgret|dog

NOTE, CAPTION = "note", "caption"  # what a description is


class Record(Struct, frozen=True):
    """What imgret wrote. Each field is a property of the namespace; its name there begins with a capital letter."""

    captions: tuple[str, ...] = ()
    counts: tuple[str, ...] = ()  # "2 dog"
    note: str | None = None
    note_at: str | None = None  # seconds since 1970, when the note was written
    text: tuple[str, ...] = ()  # lines in the image
    models: tuple[str, ...] = ()  # "caption NAME REVISION"
    keywords: tuple[str, ...] = ()  # items of dc:subject
    paths: tuple[str, ...] = ()  # items of lr:hierarchicalSubject, and with `/` of digiKam:TagsList
    description: str | None = None  # dc:description
    description_of: str | None = None  # NOTE or CAPTION
    # What a new sidecar has from the photo, because darktable reads nothing else of a photo that has a sidecar.
    photo_title: str | None = None  # dc:title
    photo_description: str | None = None  # dc:description
    photo_rating: str | None = None  # xmp:Rating
    photo_label: str | None = None  # xmp:Label
    extended: tuple[str, ...] = ()  # properties that were there before: "dc:subject"
    created: str | None = None  # "True": there was no sidecar before

    @property
    def is_empty(self) -> bool:
        """Return whether it has nothing that a user wants written."""
        return not (self.captions or self.counts or self.note or self.text)


PHOTO_FIELDS = ("photo_title", "photo_description", "photo_rating", "photo_label")
_FIELDS = {field: "".join(part.title() for part in field.split("_")) for field in Record.__struct_fields__}
LISTS = frozenset(field for field, kind in get_type_hints(Record).items() if kind == tuple[str, ...])


def property_name(field: str) -> str:
    """Return the name of the property of a field of Record, without the namespace."""
    return _FIELDS[field]


def record(found: Properties) -> Record:
    """Return the record of what imgret wrote, from the properties of a sidecar; an empty record if it wrote nothing."""
    values: dict[str, object] = {}
    for field, name in _FIELDS.items():
        texts = tuple(value for value in found.get(OWN + name, ()) if isinstance(value, str))
        if texts:
            values[field] = texts if field in LISTS else texts[0]
    return Record(**values)  # type: ignore[arg-type]


def folded(value: str | None) -> str:
    """Return a text as it is compared: programs change spaces and ends of lines."""
    return " ".join((value or "").split())
