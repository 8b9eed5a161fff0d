"""Read dates as EXIF, XMP and IPTC write them, with their precision and time zone. Never raises.

Dates are those of the wall clock where the photo was taken; the zone is kept beside them. A date in the future comes from
a wrong clock: `is_future`.
"""

from __future__ import annotations

import re
import time
from calendar import timegm
from datetime import datetime

from imgret.decode import exif
from imgret.decode.exif import Tags
from imgret.photo import PhotoDate

FIRST_YEAR = 1800  # photographs of paintings and scans of documents are dated by their subject
_DAY = 86400  # seconds

# The zones of the fractions in `exif.SUBSECONDS`: Exif 2.31, OffsetTimeOriginal, -Digitized and OffsetTime.
_ZONES = {exif.DATE_TIME_ORIGINAL: 0x9011, exif.DATE_TIME_DIGITIZED: 0x9012, exif.DATE_TIME: 0x9010}

_ISO = re.compile(
    r"(?P<year>\d{4})(?:[-:](?P<month>\d\d)(?:[-:](?P<day>\d\d)"
    r"(?:[T ](?P<hour>\d\d):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:[.,](?P<fraction>\d+))?)?\s?(?P<zone>Z|[+-]\d\d:?\d\d)?)?)?)?",
    re.ASCII,
)
_DAY_ALONE = re.compile(r"\d{4}([:-])\d\d\1\d\d(?!\d)", re.ASCII)


def written_date(value: object, source: str) -> PhotoDate | None:
    """Return an ISO 8601 date of XMP: a year, a month, a day, or a time; None if it does not exist.

    Zeros stand for a month or a day that is not known, as in IPTC.
    """
    match = _ISO.fullmatch(value.strip()[:64]) if isinstance(value, str) else None
    if match is None:
        return None
    parts = match.groupdict()
    if parts["month"] == "00" or parts["day"] == "00":
        unknown = ("month", "day") if parts["month"] == "00" else ("day",)
        parts |= dict.fromkeys([*unknown, "hour", "minute", "second", "zone", "fraction"])
    precision = "second" if parts["hour"] else next(p for p in ("day", "month", "year") if parts[p])
    hour, minute, second = (int(parts[part] or 0) for part in ("hour", "minute", "second"))
    try:
        moment = datetime(
            int(parts["year"]), int(parts["month"] or 1), int(parts["day"] or 1), hour, minute, second
        )
    except ValueError:
        return None
    if (precision == "second" and moment in exif.UNSET_CLOCK) or moment.year < FIRST_YEAR:
        return None
    fraction = (parts["fraction"] or "")[:9].rstrip("0") or None
    return PhotoDate(timegm(moment.timetuple()), source, precision, zone(parts["zone"]), fraction)


def exif_date(image: Tags, photo: Tags) -> PhotoDate | None:
    """Return the capture time of EXIF, see `exif.capture_time`, with its precision and zone.

    A date whose day or month is zero comes before those of the tags that follow.
    """
    found = exif.capture_time(image, photo)
    for tag in exif.SUBSECONDS:
        if found is not None and found.tag == tag:
            break
        written = _DAY_ALONE.match(exif.text((image if tag == exif.DATE_TIME else photo).get(tag)) or "")
        date = written_date(written[0], "exif") if written else None
        if date is not None and date.precision in ("year", "month"):
            return date
    if found is None:
        return None
    has_time = ":" in found.written[10:] or found.at % _DAY
    return PhotoDate(
        found.at,
        "exif",
        "second" if has_time else "day",
        zone(exif.text(photo.get(_ZONES[found.tag]))),
        found.subsecond,
    )


def exif_date_problems(image: Tags, photo: Tags) -> tuple[str, ...]:
    """Return a sentence if EXIF has dates and none of them can be used.

    A text without a digit is none: EXIF writes unknown dates so.
    """
    if exif_date(image, photo) is not None:
        return ()
    values = [(image if tag == exif.DATE_TIME else photo).get(tag) for tag in exif.SUBSECONDS]
    impossible = [
        written
        for written in (exif.text(value) or "" for value in values)
        if any(map(str.isdigit, written)) and exif.moment_of(written) is None
    ]
    if not impossible:
        return ()
    return (f"has the date {impossible[0][:32]}, which is impossible or ambiguous, so it is not used",)


def iptc_date(day: str, clock: str) -> PhotoDate | None:
    """Return the date of the data sets 2:55 (CCYYMMDD; zeros for unknown parts) and 2:60 (HHMMSS±HHMM)."""
    written = "-".join(part for part in (day[:4], day[4:6], day[6:8]) if part)
    time_ = re.fullmatch(r"(\d\d)(\d\d)(\d\d)([+-]\d{4})?", clock.strip(), re.ASCII)
    if time_ and len(written) == 10:
        written += f"T{time_[1]}:{time_[2]}:{time_[3]}{time_[4] or ''}"
    return written_date(written, "iptc")


def zone(value: str | None) -> int | None:
    """Return minutes east of UTC of `+02:00`, `-0330` or `Z`; None for anything else."""
    match = re.fullmatch(r"Z|([+-])(\d\d):?(\d\d)", (value or "").strip(), re.ASCII)
    if match is None:
        return None
    minutes = int(match[2] or 0) * 60 + int(match[3] or 0)
    return (-minutes if match[1] == "-" else minutes) if minutes <= 14 * 60 else None


def is_future(date: PhotoDate) -> bool:
    """Return whether a date is later than tomorrow."""
    return date.at > time.time() + _DAY + 14 * 3600


def year_of(date: PhotoDate) -> int:
    """Return the year of a date."""
    return time.gmtime(date.at).tm_year
