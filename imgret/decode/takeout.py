"""Read the JSON files that Google Takeout writes beside photos, and favourites and albums of other exports."""

from __future__ import annotations

import os
import re
from typing import Any

import msgspec
from msgspec import Struct

from imgret.decode.exif import OFF_THE_EARTH
from imgret.decode.metadata_texts import NAME, description, names, number, text
from imgret.photo import Metadata, PhotoDate
from imgret.sidecar_names import EDITED

MOST_BYTES = 4 << 20  # Takeout's files have a few KB

_NUMBERED = re.compile(r"\(\d+\)$")
_SHORTENED = 40  # characters: a name this long may have been cut
_FAVOURITE = 5  # stars


class _Timestamp(Struct):
    timestamp: str | int | None = None


class _Position(Struct):
    latitude: Any = None
    longitude: Any = None


class _Person(Struct):
    name: Any = None


class _Album(Struct):
    title: str | None = None


class _Takeout(Struct):
    title: str | None = None
    albumData: _Album | None = None  # noqa: N815 - of older exports
    description: Any = None
    photoTakenTime: _Timestamp | None = None  # noqa: N815 - Takeout's own names
    geoData: _Position | None = None  # noqa: N815
    geoDataExif: _Position | None = None  # noqa: N815
    people: tuple[_Person, ...] = ()
    favorited: Any = False
    imageViews: Any = None  # noqa: N815
    url: Any = None


class TakeoutError(ValueError):
    """The file is broken, or describes another photo; the message completes the sentence "FILE ..."."""


def metadata(data: bytes, photo: bytes, *, album: bool = False) -> Metadata | None:
    """Return the metadata in a JSON file about the photo with the file name `photo`; None if it is not Takeout's.

    `album`: the file describes the album that the folder is, see `sidecar_names.ALBUM_FILES`.

    Raises TakeoutError.
    """
    if len(data) > MOST_BYTES:
        raise TakeoutError(f"has {len(data) >> 20} MB and is no description of a photo")
    try:
        found = msgspec.json.decode(data.removeprefix(b"\xef\xbb\xbf"), type=_Takeout)
    except msgspec.ValidationError:  # JSON of another program
        return None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise TakeoutError(f"is not valid JSON: {error}") from None
    if album:
        return Metadata(albums=names([found.title or (found.albumData.title if found.albumData else None)]))
    if found.title is None or not (found.photoTakenTime or found.geoData or found.url or found.imageViews):
        return None
    if not is_title_of(found.title, os.fsdecode(photo)):
        raise TakeoutError(f"describes {text(found.title, NAME)}, not this photo")
    return Metadata(
        description=description(found.description),
        people=names(person.name for person in found.people),
        rating=_FAVOURITE if found.favorited is True else None,
        taken=_taken(found.photoTakenTime),
        position=_position(found.geoData) or _position(found.geoDataExif),
        problems=tuple(
            OFF_THE_EARTH for each in (found.geoData, found.geoDataExif) if each and not _is_on_earth(each)
        )[:1],
    )


def is_title_of(title: str, name: str) -> bool:
    """Return whether Takeout may have given a photo with this title this file name.

    It shortens names, numbers equal ones, replaces characters, and appends a word to those of edited photos.
    """
    stem = _plain(os.path.splitext(name)[0])
    written = _plain(os.path.splitext(title)[0])
    whole = _plain(title)
    shortened = len(stem) >= _SHORTENED and whole.startswith(stem)
    return bool(stem) and (stem in (written, whole) or shortened)


def _plain(stem: str) -> str:
    """Return a name without its number, an appended word, and characters that Takeout replaces."""
    stem = _NUMBERED.sub("", stem)
    for word in EDITED:
        stem = stem.removesuffix(word)
    return re.sub(r"[^\w.-]|_", "_", _NUMBERED.sub("", stem)).casefold()


def _taken(written: _Timestamp | None) -> PhotoDate | None:
    """Return the time of the photo, which Takeout gives in UTC. Photos without any have the time 0."""
    seconds = number(written.timestamp) if written else None
    if seconds is None or seconds == 0 or not -4_000_000_000 < seconds < 1 << 40:
        return None
    return PhotoDate(int(seconds), "sidecar", zone=0)


def _position(written: _Position | None) -> tuple[float, float] | None:
    latitude, longitude = (number(written.latitude), number(written.longitude)) if written else (None, None)
    if latitude is None or longitude is None or (latitude == 0 and longitude == 0):
        return None
    return (latitude, longitude) if abs(latitude) <= 90 and abs(longitude) <= 180 else None


def _is_on_earth(written: _Position) -> bool:
    """Return whether the coordinates are possible; missing ones are."""
    degrees = ((written.latitude, 90), (written.longitude, 180))
    return all(
        value is None or ((found := number(value)) is not None and abs(found) <= most)
        for value, most in degrees
    )
