"""What the file itself says, without any model: when, where, by which camera.

Pure functions over EXIF tags as Pillow reads them. Cameras, scanners and chat programs write EXIF of
every kind of wrongness, so nothing here raises: what cannot be believed is `None`.
"""

from __future__ import annotations

import math
import re
from calendar import timegm
from collections.abc import Iterable, Mapping
from datetime import datetime

from imgret.photo import Facts

Tags = Mapping[int, object]  # EXIF tag number -> value, as Pillow reads it

LONGEST_STRING = 128  # characters kept of a string from a file

# Tag numbers: Exif 2.32, tables 4, 5 and 15.
MAKE, MODEL, ORIENTATION, DATE_TIME = 0x010F, 0x0110, 0x0112, 0x0132
DATE_TIME_ORIGINAL, DATE_TIME_DIGITIZED = 0x9003, 0x9004
LATITUDE_REF, LATITUDE, LONGITUDE_REF, LONGITUDE = 1, 2, 3, 4

_DATE = re.compile(r"(\d{4})[:/-](\d{2})[:/-](\d{2})[ T](\d{2}):(\d{2})(?::(\d{2}))?", re.ASCII)


def facts(kind: str, upright: tuple[int, int], image: Tags, photo: Tags, gps: Tags) -> Facts:
    """Format name, upright (width, height) and the three EXIF directories -> Facts."""
    position = degrees(gps)
    return Facts(
        format=kind,
        width=upright[0],
        height=upright[1],
        taken_at=taken_at(
            (photo.get(DATE_TIME_ORIGINAL), photo.get(DATE_TIME_DIGITIZED), image.get(DATE_TIME))
        ),
        camera=camera(image.get(MAKE), image.get(MODEL)),
        latitude=position[0] if position else None,
        longitude=position[1] if position else None,
    )


def turned(orientation: object) -> int:
    """The EXIF orientation, 1 to 8; anything else means upright (1)."""
    return orientation if isinstance(orientation, int) and 1 <= orientation <= 8 else 1


def upright_size(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    """(width, height) as stored -> as seen: orientations 5 to 8 stand on their side."""
    return (size[1], size[0]) if orientation >= 5 else size


def text(value: object) -> str | None:
    """A string from a file: control characters dropped, spaces folded, at most 128 characters.

    ASCII tags end at the first NUL; what follows is the camera's leftover memory.
    """
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if not isinstance(value, str):
        return None
    printable = "".join(c if c.isprintable() else " " for c in value.partition("\0")[0][: 8 * LONGEST_STRING])
    return " ".join(printable.split())[:LONGEST_STRING].rstrip() or None


def camera(make: object, model: object) -> str | None:
    """'make model', the make not said twice: ('NIKON CORPORATION', 'NIKON D90') -> 'NIKON D90'."""
    maker, name = text(make), text(model)
    if maker is None or name is None:
        return name or maker
    if name.split()[0].casefold() == maker.split()[0].casefold():
        return name
    return text(f"{maker} {name}")


def taken_at(candidates: Iterable[object]) -> int | None:
    """The first believable 'YYYY:MM:DD HH:MM:SS', as seconds since 1970.

    EXIF times are the camera's wall clock without a zone; they are read as UTC, so that the hour a
    photo shows is the hour it was taken at, wherever it is looked at.
    """
    for value in candidates:
        match = _DATE.match(text(value) or "")
        if match is None:
            continue
        try:
            moment = datetime(*(int(part or 0) for part in match.groups()))  # type: ignore[arg-type]
        except ValueError:  # 0000:00:00 00:00:00 and the 31st of February
            continue
        return timegm(moment.timetuple())
    return None


def degrees(gps: Tags) -> tuple[float, float] | None:
    """(latitude, longitude) in degrees, north and east positive; None if either cannot be believed.

    Exactly (0, 0) is what a receiver without a fix writes, not a place in the Gulf of Guinea.
    """
    latitude = _angle(gps.get(LATITUDE), gps.get(LATITUDE_REF), "N", "S", 90.0)
    longitude = _angle(gps.get(LONGITUDE), gps.get(LONGITUDE_REF), "E", "W", 180.0)
    if latitude is None or longitude is None or (latitude == 0 and longitude == 0):
        return None
    return latitude, longitude


def _angle(value: object, ref: object, positive: str, negative: str, most: float) -> float | None:
    side = (text(ref) or "").upper()[:1]
    if side not in (positive, negative) or not isinstance(value, tuple | list) or not 1 <= len(value) <= 3:
        return None
    parts = [_number(part) for part in value]
    total: float = sum(part / 60**power for power, part in enumerate(parts))
    if not 0 <= total <= most or any(part < 0 for part in parts):  # NaN fails the first
        return None
    return float(round(-total if side == negative else total, 7))  # 7 digits: a centimetre


def _number(value: object) -> float:
    """A rational as Pillow gives it, as (numerator, denominator), or a number; NaN if it is none."""
    try:
        if isinstance(value, tuple) and len(value) == 2:
            return float(value[0]) / float(value[1])
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        return math.nan
