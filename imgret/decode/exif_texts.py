"""Read the texts of EXIF: descriptions, comments, the fields of Windows, ratings. Never raises."""

from __future__ import annotations

from imgret.decode import exif
from imgret.decode.exif import Tags
from imgret.decode.metadata_dates import exif_date, exif_date_problems
from imgret.decode.metadata_texts import TITLE, description, names, separated, stars, stars_of_percent, text
from imgret.photo import Metadata

# Exif 2.32, table 4 and 8; the XP fields and ratings are those of Windows.
_DESCRIPTION, _ARTIST, _COPYRIGHT, _COMMENT = 0x010E, 0x013B, 0x8298, 0x9286
_XP_TITLE, _XP_COMMENT, _XP_AUTHOR, _XP_KEYWORDS, _XP_SUBJECT = 0x9C9B, 0x9C9C, 0x9C9D, 0x9C9E, 0x9C9F
_RATING, _RATING_PERCENT = 0x4746, 0x4749
_LONGEST = 1 << 16  # bytes of one field


def metadata(image: Tags, photo: Tags, gps: Tags) -> Metadata:
    """Return the metadata in the EXIF directories IFD0, Exif and GPS."""
    found = stars(image.get(_RATING))
    texts = (
        image_text(image.get(_DESCRIPTION)),
        comment(photo.get(_COMMENT)),
        windows(image.get(_XP_COMMENT)),
    )
    return Metadata(
        title=description(windows(image.get(_XP_TITLE)), TITLE),
        description=next((kept for value in texts if (kept := description(value))), None)
        or description(windows(image.get(_XP_SUBJECT))),
        keywords=names(separated(windows(image.get(_XP_KEYWORDS)))),
        rating=found if found is not None else stars_of_percent(image.get(_RATING_PERCENT)),
        creator=names(separated(windows(image.get(_XP_AUTHOR)) or image_text(image.get(_ARTIST)))),
        copyright=text(image_text(image.get(_COPYRIGHT))),
        taken=exif_date(image, photo),
        position=exif.degrees(gps),
        problems=(*exif_date_problems(image, photo), *exif.position_problems(gps)),
    )


def image_text(value: object) -> str | None:
    """Return a text of type ASCII, which may be UTF-8 or Latin-1. Pillow reads it as Latin-1."""
    if isinstance(value, tuple):
        value = next(iter(value), None)
    if isinstance(value, str):
        try:
            value = value.encode("latin-1")
        except UnicodeEncodeError:
            return str(value)
    return exif.decoded(value.partition(b"\0")[0][:_LONGEST]) if isinstance(value, bytes) else None


def windows(value: object) -> str | None:
    """Return a field of Windows: UTF-16, little-endian, which Pillow gives as bytes or as numbers."""
    if isinstance(value, tuple):
        try:
            value = bytes(value[:_LONGEST])
        except (TypeError, ValueError):
            return None
    if not isinstance(value, bytes):
        return None
    return value[: min(_LONGEST, len(value) & ~1)].decode("utf-16-le", "replace")


def comment(value: object) -> str | None:
    """Return a UserComment: eight bytes name its encoding. "Undefined" ones are read as UTF-8 or Latin-1."""
    if isinstance(value, str):
        value = value.encode("latin-1", "replace")
    if not isinstance(value, bytes):
        return None
    kind, written = value[:8].rstrip(b"\0 "), value[8:_LONGEST]
    if kind == b"UNICODE":
        return _utf16(written)
    if kind == b"JIS":
        return written.decode("iso2022_jp", "replace")
    return exif.decoded((written if kind in (b"ASCII", b"") else value[:_LONGEST]).partition(b"\0")[0])


def _utf16(written: bytes) -> str:
    """Decode UTF-16 in either order: programs follow the file's byte order, their own, or a mark."""
    if written[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return written.decode("utf-16", "replace")
    written = written[: len(written) & ~1]
    little, big = (written.decode(f"utf-16-{order}", "replace") for order in ("le", "be"))
    return min((little, big), key=_strangeness)


def _strangeness(text: str) -> int:
    """Count characters beyond Latin scripts: text in the wrong order seems to be in many scripts at once."""
    return sum(character > "\u024f" or character == "\0" for character in text.rstrip("\0"))
