"""Read `albums.json`, in which a user lists albums of the photos in its folder: `{"Rome 2019": ["a.jpg", "b.jpg"]}`."""

from __future__ import annotations

import os

import msgspec

from imgret.decode.metadata_texts import names
from imgret.decode.takeout import MOST_BYTES
from imgret.photo import Metadata


class AlbumsError(ValueError):
    """The file is broken; the message completes the sentence "FILE ..."."""


def metadata(data: bytes, photo: bytes) -> Metadata:
    """Return the albums that have the photo with the file name `photo`. Raises AlbumsError."""
    if len(data) > MOST_BYTES:
        raise AlbumsError(f"has {len(data) >> 20} MB; at most {MOST_BYTES >> 20} are read")
    try:
        found = msgspec.json.decode(data.removeprefix(b"\xef\xbb\xbf"), type=dict[str, list[str]])
    except msgspec.ValidationError as error:
        raise AlbumsError(f'is not of the form {{"ALBUM": ["FILE", ...]}}: {error}') from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise AlbumsError(f"is not valid JSON: {error}") from None
    name = os.fsdecode(photo)
    return Metadata(albums=names(album for album, photos in found.items() if name in photos))
