"""Seasons and holidays in the query language: `summer 2010`, `last winter`, `christmas 2019`. Pure.

Seasons are the meteorological ones of the northern hemisphere: whole months, winter from December to February and named
after the year in which it begins.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime, timedelta

Dates = tuple[datetime, datetime]  # [from, to)


def season(name: str, year: int) -> Dates | None:
    """Return the time of a season or holiday that begins in `year`; None if there is no such name.

    Raises ValueError or OverflowError for a year outside 1 to 9999.
    """
    made = SEASONS.get(name)
    return made(year) if made else None


def latest(name: str, today: datetime, *, ended: bool) -> Dates | None:
    """Return the latest season or holiday that has begun, or with `ended` the latest one that is over."""
    for year in (today.year + 1, today.year, today.year - 1, today.year - 2):
        found = season(name, year)
        if found and (found[1] if ended else found[0]) <= today:
            return found
    return None


def mentioned(text: str) -> str | None:
    """Return the first season or holiday with its year, or with `last`, among the words of a text; None if there is none."""
    found = _MENTIONED.search(text)
    return found[0] if found else None


def easter(year: int) -> date:
    """Return Easter Sunday in the Gregorian calendar (the algorithm of Meeus, Jones and Butcher)."""
    golden, century, rest = year % 19, year // 100, year % 100
    moon = (19 * golden + century - century // 4 - (century - (century + 8) // 25 + 1) // 3 + 15) % 30
    weekday = (32 + 2 * (century % 4) + 2 * (rest // 4) - moon - rest % 4) % 7
    shift = (golden + 11 * moon + 22 * weekday) // 451
    month, day = divmod(moon + weekday - 7 * shift + 114, 31)
    return date(year, month, day + 1)


def _months(first: int) -> Callable[[int], Dates]:
    """The three months from the month `first` on."""

    def dates(year: int) -> Dates:
        end = first + 3
        return datetime(year, first, 1), datetime(year + (end > 12), (end - 1) % 12 + 1, 1)

    return dates


def _days(month: int, day: int, days: int) -> Callable[[int], Dates]:
    return lambda year: (datetime(year, month, day), datetime(year, month, day) + timedelta(days=days))


def _easter(year: int) -> Dates:
    sunday = easter(year)
    middle = datetime(sunday.year, sunday.month, sunday.day)
    return middle - timedelta(days=2), middle + timedelta(days=2)  # Good Friday to Easter Monday


def _new_year(year: int) -> Dates:
    first = datetime(year, 1, 1)
    return first - timedelta(days=1), first + timedelta(days=1)  # New Year's Eve and Day


SEASONS: dict[str, Callable[[int], Dates]] = {
    "spring": _months(3),
    "summer": _months(6),
    "autumn": _months(9),
    "fall": _months(9),
    "winter": _months(12),
    "christmas": _days(12, 24, 3),
    "halloween": _days(10, 31, 1),
    "easter": _easter,
    "new year": _new_year,
}
_NAMES = "|".join(SEASONS)
_MENTIONED = re.compile(rf"\b(?:(?:{_NAMES}) (?:1[89]|20)\d\d|last (?:{_NAMES}))(?!\S)", re.IGNORECASE)
