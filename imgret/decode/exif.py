"""Read capture time, position and camera from EXIF.

Pure functions over EXIF tags as Pillow reads them. Cameras, scanners and chat programs write many kinds of
invalid EXIF, so no function here raises: an implausible value becomes `None`.
"""

from __future__ import annotations

import math
import re
from calendar import timegm
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import NamedTuple

from imgret.photo import Facts

Tags = Mapping[int, object]  # EXIF tag number -> value, as Pillow reads it

LONGEST_STRING = 128  # characters kept of a string from a file

# Tag numbers: Exif 2.32, tables 4, 5 and 15.
MAKE, MODEL, ORIENTATION, DATE_TIME = 0x010F, 0x0110, 0x0112, 0x0132
DATE_TIME_ORIGINAL, DATE_TIME_DIGITIZED = 0x9003, 0x9004
# The fractions of their seconds, in the same order.
SUBSECONDS = {DATE_TIME_ORIGINAL: 0x9291, DATE_TIME_DIGITIZED: 0x9292, DATE_TIME: 0x9290}
LATITUDE_REF, LATITUDE, LONGITUDE_REF, LONGITUDE = 1, 2, 3, 4

# Three numbers for year, month and day, then optionally a time. A time zone after it is ignored.
_DATE = re.compile(
    r"(?P<a>\d{1,4})(?P<by>[:/.-])\s?(?P<b>\d{1,2})(?P=by)\s?(?P<c>\d{1,4})(?!\d)(?:[T\s,]\s?(?P<time>.*))?",
    re.ASCII,
)
_PACKED_DATE = re.compile(r"(\d{4})(\d\d)(\d\d)(?:[T\s]?(\d\d)(\d\d)(\d\d)?)?(?!\d)", re.ASCII)
_TIME = re.compile(
    r"(?P<hour>\d{1,2}):\s?(?P<minute>\d{1,2})(?::\s?(?P<second>\d{1,2}))?(?!\d)(?:[.,]\d*)?"
    r"\s?(?P<half>[ap]\.?m\b)?",
    re.ASCII | re.IGNORECASE,
)
# The epochs of Unix and of QuickTime: a camera whose clock was never set writes one of them.
UNSET_CLOCK = {datetime(1970, 1, 1), datetime(1904, 1, 1)}

# A number or a fraction, and an angle of one to three of them with an optional letter for the direction.
_NUMBER = r"\d+(?:\.\d*)?(?:/\d+)?"
_ANGLE = re.compile(
    rf"(?P<before>[NSEW])?\s*(?P<sign>[+-])?(?P<degrees>{_NUMBER})"
    rf"(?:(?:deg|[\s°º,:;d])+(?P<minutes>{_NUMBER})(?:[\s'′’,:;]+(?P<seconds>{_NUMBER}))?)?"
    r"(?:deg|[\s°º'′’\"″”,])*(?P<after>[NSEW])?[a-z]*",
    re.ASCII | re.IGNORECASE,
)

OFF_THE_EARTH = "has coordinates that are incomplete or not on the earth, so they are not used"
_NONZERO = re.compile(r"[1-9]|nan|inf", re.IGNORECASE)


def facts(kind: str, upright: tuple[int, int], image: Tags, photo: Tags, gps: Tags) -> Facts:
    """Return the Facts of a file.

    `kind` is the format's name, `upright` its upright (width, height) in pixels. `image`, `photo` and `gps` are the
    EXIF directories IFD0, Exif and GPS.
    """
    position = degrees(gps)
    taken = capture_time(image, photo)
    return Facts(
        format=kind,
        width=upright[0],
        height=upright[1],
        taken_at=taken.at if taken else None,
        camera=camera(image.get(MAKE), image.get(MODEL)),
        latitude=position[0] if position else None,
        longitude=position[1] if position else None,
        subsecond=taken.subsecond if taken else None,
    )


class CaptureTime(NamedTuple):
    """A time in EXIF."""

    tag: int
    at: int  # seconds since 1970, of the wall clock
    written: str
    subsecond: str | None  # see `subsecond`


def capture_time(image: Tags, photo: Tags) -> CaptureTime | None:
    """Return the first plausible time: the original, the digitized or the file's own; of IFD0 and the Exif directory."""
    for tag, of_second in SUBSECONDS.items():
        value = (image if tag == DATE_TIME else photo).get(tag)
        at = taken_at([value])
        if at is not None:
            return CaptureTime(tag, at, text(value) or "", subsecond(photo.get(of_second)))
    return None


def valid_orientation(orientation: object) -> int:
    """Return the EXIF orientation, 1 to 8; 1 (upright) for any other value."""
    return orientation if isinstance(orientation, int) and 1 <= orientation <= 8 else 1


def upright_size(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    """Return the (width, height) of the upright image; orientations 5 to 8 swap the stored ones."""
    return (size[1], size[0]) if orientation >= 5 else size


def text(value: object) -> str | None:
    """Return a string tag without control characters, spaces folded, at most 128 characters; None if empty.

    ASCII tags end at the first NUL; bytes after it are uninitialised memory of the camera. EXIF does not name an
    encoding: bytes that are valid UTF-8 are read as UTF-8, all others as Latin-1.
    """
    if isinstance(value, str):
        try:
            value = value.encode("latin-1")  # Pillow reads every string as Latin-1
        except UnicodeEncodeError:
            return printable(str(value))
    return printable(decoded(value.partition(b"\0")[0])) if isinstance(value, bytes) else None


def printable(value: str) -> str | None:
    """Return the text without control characters, spaces folded, at most 128 characters; None if empty."""
    kept = "".join(c if c.isprintable() else " " for c in value.partition("\0")[0][: 8 * LONGEST_STRING])
    return " ".join(kept.split())[:LONGEST_STRING].rstrip() or None


def decoded(value: bytes) -> str:
    """Decode bytes as UTF-8, or else as Latin-1."""
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        # A field of fixed length may end in the middle of a UTF-8 character. A Latin-1 text can end with the same
        # byte, so this is assumed only where an earlier character was non-ASCII UTF-8.
        whole = value[: error.start].decode()
        if error.reason == "unexpected end of data" and not whole.isascii():
            return whole
        return value.decode("latin-1")


def camera(make: object, model: object) -> str | None:
    """Return 'make model', without repeating the make: ('NIKON CORPORATION', 'NIKON D90') -> 'NIKON D90'."""
    maker, name = text(make), text(model)
    if maker is None or name is None:
        return name or maker
    if name.split()[0].casefold() == maker.split()[0].casefold():
        return name
    return printable(f"{maker} {name}")


def taken_at(candidates: Iterable[object]) -> int | None:
    """Return the first plausible date and time, in seconds since 1970; None if there is none.

    EXIF times are local time without a zone. They are stored as if they were UTC: a photo shows the local hour
    at which it was taken, in whatever zone it is viewed. For the same reason a zone in the text is ignored.
    """
    for value in candidates:
        moment = moment_of(text(value) or "")
        if moment is not None and moment not in UNSET_CLOCK:
            return timegm(moment.timetuple())
    return None


def subsecond(value: object) -> str | None:
    """Return the digits of the fraction of a second without trailing zeros: '120 ' -> '12'; None if there are none."""
    digits = (text(value) or "").strip()[:9]
    return digits.rstrip("0") or "0" if digits.isascii() and digits.isdigit() else None


def moment_of(written: str) -> datetime | None:
    """Parse a date and time. An unreadable time becomes midnight; return None for an unreadable date."""
    if packed := _PACKED_DATE.match(written):
        year, month, day = map(int, packed.groups()[:3])
        clock = tuple(int(part or 0) for part in packed.groups()[3:])
    elif (match := _DATE.match(written)) and (date := _date(*match.group("a", "by", "b", "c"))):
        year, month, day = date
        clock = _clock(match["time"] or "")
    else:
        return None
    hour, minute, second = clock
    # Java's pattern "kk" counts the first hour of a day as 24; a leap second is the 60th.
    clock = (0 if hour == 24 else hour, minute, 59 if second == 60 else second)
    for time in (clock, (0, 0, 0)):
        try:
            return datetime(year, month, day, *time)
        except ValueError:  # 0000:00:00, the 31st of February; or an hour of 25, which leaves the day
            continue
    return None


def _date(a: str, by: str, b: str, c: str) -> tuple[int, int, int] | None:
    """Return (year, month, day) of three numbers; None where their order is ambiguous."""
    if len(a) == 4 and len(c) <= 2:
        return int(a), int(b), int(c)
    if len(c) == 4 and len(a) <= 2:
        first, second = int(a), int(b)
        if by == "." or first > 12 or first == second:
            return int(c), second, first
        return (int(c), first, second) if second > 12 else None
    if len(a) == 2 and len(c) <= 2 and by in ":-":  # the order of EXIF and ISO 8601; POSIX has the centuries
        return (1900 if int(a) >= 69 else 2000) + int(a), int(b), int(c)
    return None


def _clock(written: str) -> tuple[int, int, int]:
    match = _TIME.match(written)
    if match is None:
        return 0, 0, 0
    hour = int(match["hour"])
    if match["half"] and 1 <= hour <= 12:
        hour = hour % 12 + (12 if match["half"][0] in "pP" else 0)
    return hour, int(match["minute"]), int(match["second"] or 0)


def degrees(gps: Tags) -> tuple[float, float] | None:
    """Return (latitude, longitude) in degrees, north and east positive; None if either is missing or implausible.

    Exactly (0, 0) counts as missing: receivers without a fix write it.
    """
    latitude, longitude = _angles(gps)
    if latitude is None or longitude is None or (latitude == 0 and longitude == 0):
        return None
    return latitude, longitude


def _angles(gps: Tags) -> tuple[float | None, float | None]:
    return (
        _angle(gps.get(LATITUDE), gps.get(LATITUDE_REF), "NS", 90.0),
        _angle(gps.get(LONGITUDE), gps.get(LONGITUDE_REF), "EW", 180.0),
    )


def position_problems(gps: Tags) -> tuple[str, ...]:
    """Return a sentence if there are coordinates that `degrees` refuses.

    Zeros, 0/0 and empty texts are none: receivers without a fix write them.
    """
    unset = _is_unset(gps.get(LATITUDE)) and _is_unset(gps.get(LONGITUDE))
    return () if unset or _angles(gps) == (0, 0) or degrees(gps) else (OFF_THE_EARTH,)


def _is_unset(value: object) -> bool:
    if isinstance(value, str | bytes):
        return not _NONZERO.search(text(value) or "")
    if isinstance(value, tuple | list):
        return all(map(_is_unset, value))
    return value is None or getattr(value, "numerator", value) == 0


def _angle(value: object, ref: object, directions: str, most: float) -> float | None:
    """Return signed degrees, from -`most` to `most`, of (degrees, minutes, seconds), of one number or of a string.

    The direction comes from `ref` or from a letter in the string. Without either, a single number is taken as
    signed decimal degrees. Degrees with minutes are unsigned in EXIF, so without a direction they are accepted
    only if they are negative.
    """
    direction = (text(ref) or "").upper()[:1]
    parts: list[float]
    if isinstance(value, str | bytes):
        written = text(value) or ""
        match = _ANGLE.fullmatch(written)
        if match is None:
            return None
        found = [part for part in match.group("degrees", "minutes", "seconds") if part]
        parts = [_number(part) for part in found]
        if match["sign"] == "-":
            parts[0] = -parts[0]
        direction = direction or (match["before"] or match["after"] or "").upper()
    elif isinstance(value, tuple | list):
        parts = [_number(part) for part in value]
    else:
        parts = [_number(value)]
    if not 1 <= len(parts) <= 3 or not (direction == "" or direction in directions):
        return None
    negative = math.copysign(1, parts[0]) < 0
    total = sum(abs(part) / 60**power for power, part in enumerate(parts))
    if any(part < 0 for part in parts[1:]) or any(part > 60 for part in parts[1:]) or not 0 <= total <= most:
        return None  # the last comparison is also false for NaN
    if not direction and not negative and len(parts) > 1:
        return None
    south = negative or direction == directions[1]
    return float(round(-total if south else total, 7))  # 7 digits: a centimetre


def _number(value: object) -> float:
    """Return a number, a Pillow rational, a (numerator, denominator) or an 'a/b' as a float; NaN for anything else."""
    try:
        if isinstance(value, str):
            numerator, slash, denominator = value.partition("/")
            return float(numerator) / float(denominator) if slash else float(numerator)
        if isinstance(value, tuple) and len(value) == 2:
            return float(value[0]) / float(value[1])
        return math.nan if isinstance(value, bool) else float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        return math.nan
