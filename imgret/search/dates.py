"""The dates of the query language: a text and the present moment -> the span of time it means. Pure.

Photos are dated by their camera's wall clock, so spans are wall-clock too, without time zones.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta

from imgret.search import seasons

_EPOCH = datetime(1970, 1, 1)
_MONTHS = ["january", "february", "march", "april", "may", "june"]
_MONTHS += ["july", "august", "september", "october", "november", "december"]
_DAYS = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]

EXAMPLES = "2019, 2019-07, 2019-07-14, july 2019, summer 2010, last week, 3 days ago"

Span = tuple[int, int]  # [from, to), seconds since 1970 of the wall clock


def span(text: str, now: datetime) -> Span | None:
    """The time that `text` means, seen from `now`; None where it is no date that exists."""
    plain = re.sub(r"[\s_]+", " ", text.strip().lower())
    today = datetime(now.year, now.month, now.day)
    words = plain.replace("-", " ")
    try:
        found = _numbers(plain) or _month(plain) or _season(words, today) or _relative(words, today)
    except (ValueError, OverflowError):  # the 30th of February, the year 0, a million years ago
        return None
    return (_seconds(found[0]), _seconds(found[1])) if found else None


def _numbers(text: str) -> tuple[datetime, datetime] | None:
    match = re.fullmatch(r"(\d{4})(?:[-/.](\d{1,2})(?:[-/.](\d{1,2})(?:[t ](\d{1,2}):(\d\d))?)?)?", text)
    if not match:
        return None
    year, month, day, hour, minute = (int(part) if part else None for part in match.groups())
    assert year is not None
    start = datetime(year, month or 1, day or 1, hour or 0, minute or 0)
    if hour is not None:
        return start, start + timedelta(minutes=1)
    if day is not None:
        return start, start + timedelta(days=1)
    return start, _later(start, "month" if month is not None else "year", 1)


def _month(text: str) -> tuple[datetime, datetime] | None:
    match = re.fullmatch(r"([a-z]{3,9})[ -](\d{4})", text)
    month = _named(match[1], _MONTHS) if match else None
    if not match or month is None:
        return None
    start = datetime(int(match[2]), month + 1, 1)
    return start, _later(start, "month", 1)


def _season(text: str, today: datetime) -> tuple[datetime, datetime] | None:
    """`summer 2010`, `christmas`, `last winter`."""
    if match := re.fullmatch(r"([a-z ]+) (\d{4})", text):
        return seasons.season(match[1], int(match[2]))
    match = re.fullmatch(r"(?:(this|last) )?([a-z ]+)", text)
    return seasons.latest(match[2], today, ended=match[1] == "last") if match else None


def _relative(text: str, today: datetime) -> tuple[datetime, datetime] | None:
    day = timedelta(days=1)
    if text in ("today", "yesterday"):
        start = today if text == "today" else today - day
        return start, start + day
    if match := re.fullmatch(r"(\d{1,6}) (day|week|month|year)s? ago", text):
        start = _later(today, match[2], -int(match[1]))
        return start, _later(start, match[2], 1)
    if match := re.fullmatch(r"(this|last) (week|month|year)", text):
        start = _begin(today, match[2])
        start = start if match[1] == "this" else _later(start, match[2], -1)
        return start, _later(start, match[2], 1)
    if match := re.fullmatch(r"(?:(this|last) )?([a-z]{3,9})", text):
        weekday = _named(match[2], _DAYS)
        if weekday is not None:  # the latest one, today included
            start = today - day * ((today.weekday() - weekday) % 7)
            return start, start + day
        month = _named(match[2], _MONTHS)
        if month is not None:
            start = datetime(today.year - (month + 1 > today.month), month + 1, 1)
            return start, _later(start, "month", 1)
    return None


def _named(text: str, names: Sequence[str]) -> int | None:
    """The place of a name or its first three letters or more among `names`."""
    return next((place for place, name in enumerate(names) if name.startswith(text)), None)


def _begin(day: datetime, unit: str) -> datetime:
    if unit == "week":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if unit == "month" else day.replace(month=1, day=1)


def _later(start: datetime, unit: str, count: int) -> datetime:
    """`start` and `count` units; the last day of a month where it has no such day."""
    if unit in ("day", "week"):
        return start + timedelta(days=count * (7 if unit == "week" else 1))
    months = start.year * 12 + start.month - 1 + count * (12 if unit == "year" else 1)
    if months == 10000 * 12:  # the end of the last year there is
        return datetime.max
    year, month = divmod(months, 12)
    for day in range(start.day, start.day - 4, -1):
        try:
            return start.replace(year=year, month=month + 1, day=day)
        except ValueError:
            if not 1 <= year <= 9999:
                raise
    raise ValueError(start)


def _seconds(moment: datetime) -> int:
    return int((moment - _EPOCH) // timedelta(seconds=1))
