"""Choose the date of a photo: of the file and its sidecars, else of its name, its folders, or the time of the file. Pure."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from imgret import name_dates
from imgret.photo import PhotoDate

OF_PATHS = ("name", "folder", "mtime")  # sources that change when a photo is moved
_EPOCH = datetime(1970, 1, 1)


class Place(NamedTuple):
    """A path of a photo."""

    root: bytes  # absolute
    folder: bytes  # relative to the root
    name: bytes
    mtime_ns: int


def choose(
    written: PhotoDate | None, places: Sequence[Place], now: datetime, *, mtime: bool = False
) -> PhotoDate | None:
    """Return the date of a photo with these paths. `written` are the dates in the file and its sidecars.

    The time of the file is used only if `mtime` is true: copying, editing and downloading change it. A time in the future
    is not used.
    """
    if written is not None and written.at <= (now - _EPOCH + timedelta(days=2)).total_seconds():
        return written
    for place in places:
        named = name_dates.in_file_name(os.fsdecode(place.name), now)
        if named is not None:
            return PhotoDate(named.seconds, "name", named.precision)
    for place in places:
        # Of the folders above the root, only its own name was chosen for these photos.
        folders = [os.path.basename(place.root.rstrip(b"/")), *place.folder.split(b"/")]
        named = name_dates.in_folders([os.fsdecode(folder) for folder in folders if folder], now)
        if named is not None:
            return PhotoDate(named.seconds, "folder", named.precision)
    latest = int(now.timestamp()) + 86400
    times = [at for place in places if 0 < (at := place.mtime_ns // 1_000_000_000) <= latest]
    return PhotoDate(_local(min(times)), "mtime") if mtime and times else None


def _local(seconds: int) -> int:
    """Return the wall clock of this machine's time zone, as seconds since 1970."""
    return (datetime.fromtimestamp(seconds) - _EPOCH) // timedelta(seconds=1)
