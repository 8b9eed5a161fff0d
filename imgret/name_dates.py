"""The date in the name of a file or of its folders: `IMG_20190704_121314.jpg`, `2019-07 Rome/`. Pure.

Cameras, phones, messengers and people write dates into names. They are used where the file itself has none. A date must
exist and must be between 1900 and tomorrow; of several dates in one name the first is used. All are wall-clock times, as
in EXIF.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from imgret.photo import PRECISIONS

FIRST_YEAR = 1900


class NamedDate(NamedTuple):
    """A date, as precise as in the name."""

    seconds: int  # since 1970, of the wall clock: the beginning of the year, month, day or second
    precision: str  # one of PRECISIONS


def in_file_name(name: str, now: datetime) -> NamedDate | None:
    """Return the date in the name of a file: at least a day. A year alone is too often a number."""
    stem = name.rpartition(".")[0] or name
    for match in _DAY.finditer(stem):
        day = _made(match["year"], match["month"], match["day"], now)
        if day is not None:
            return _with_time(day, stem[match.end() :])
    number = _MILLISECONDS.fullmatch(stem)
    if number:
        moment = datetime(1970, 1, 1) + timedelta(milliseconds=int(number[1]))  # UTC: only the day is known
        return _named(datetime(moment.year, moment.month, moment.day), "day", now)
    return None


def in_folders(folders: Sequence[str], now: datetime) -> NamedDate | None:
    """Return the most precise date that the names of nested folders give, outermost first: `2019/07/14`, `2019-07 Rome`.

    If several are equally precise, the innermost is used.
    """
    found = [date for date in _of_folders(folders, now) if date is not None]
    return max(reversed(found), key=lambda date: PRECISIONS.index(date.precision), default=None)


# Digits beside a date make it a number. Separators must be the same twice: 2019-07-04, 2019_07_04, 20190704.
_DAY = re.compile(
    r"(?<!\d)(?P<year>(?:19|20)\d\d)(?P<separator>[-_. ]?)(?P<month>[01]\d)(?P=separator)(?P<day>[0-3]\d)(?!\d)",
    re.ASCII,
)
_TIME = re.compile(
    r"(?:[-_. T]| at )(?P<hour>[0-2]\d)(?P<separator>[-_.:]?)(?P<minute>[0-5]\d)(?P=separator)(?P<second>[0-5]\d)"
    r"(?:\d{3})?(?!\d)",
    re.ASCII,
)
_MILLISECONDS = re.compile(r"(?:FB_IMG_|mmexport|received_|photo_|IMG_)?(1\d{12})", re.IGNORECASE | re.ASCII)
_FOLDER = re.compile(
    r"(?P<year>(?:19|20)\d\d)(?:(?P<separator>[-_. ]?)(?P<month>[01]\d)(?:(?P=separator)(?P<day>[0-3]\d))?)?(?!\d)",
    re.ASCII,
)
_YEAR_AT_END = re.compile(r".*[^\d](?P<year>(?:19|20)\d\d)", re.ASCII)
_NUMBER = re.compile(r"(?P<number>[0-3]\d)(?!\d)", re.ASCII)


def _of_folders(folders: Sequence[str], now: datetime) -> Iterator[NamedDate | None]:
    year = month = None
    for name in folders:
        match = _FOLDER.match(name) or _YEAR_AT_END.fullmatch(name)
        if match:
            parts = match.groupdict()
            year, month, day = parts["year"], parts.get("month"), parts.get("day")
            yield _folder(year, month, day, now) or _folder(year, None, None, now)
            continue
        match = _NUMBER.match(name)  # a month in the folder of a year, or a day in that of a month
        if match and year and month is None:
            month = match["number"]
            yield _folder(year, month, None, now)
        elif match and year:
            yield _folder(year, month, match["number"], now)


def _folder(year: str, month: str | None, day: str | None, now: datetime) -> NamedDate | None:
    precision = "day" if day else "month" if month else "year"
    date = _made(year, month or "01", day or "01", now)
    return _named(date, precision, now) if date else None


def _made(year: str, month: str, day: str, now: datetime) -> datetime | None:
    try:
        date = datetime(int(year), int(month), int(day))
    except ValueError:  # there is no such day
        return None
    return date if date.year >= FIRST_YEAR and date <= now + timedelta(days=1) else None


def _with_time(day: datetime, rest: str) -> NamedDate:
    match = _TIME.match(rest)
    if match and int(match["hour"]) < 24:
        time = timedelta(hours=int(match["hour"]), minutes=int(match["minute"]), seconds=int(match["second"]))
        return NamedDate(_seconds(day + time), "second")
    return NamedDate(_seconds(day), "day")


def _named(date: datetime, precision: str, now: datetime) -> NamedDate | None:
    return NamedDate(_seconds(date), precision) if date <= now + timedelta(days=1) else None


def _seconds(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1)) // timedelta(seconds=1)
