"""Seasons and holidays of the query language."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgret.search import dates, seasons
from imgret.search.parse import parse
from imgret.search.seasons import SEASONS

NOW = datetime(2026, 3, 18, 12, 0)


def day(year: int, month: int, day_: int) -> int:
    return int((datetime(year, month, day_) - datetime(1970, 1, 1)).total_seconds())


@pytest.mark.parametrize(
    ("text", "first", "end"),
    [
        ("summer 2010", (2010, 6, 1), (2010, 9, 1)),
        ("Fall-2010", (2010, 9, 1), (2010, 12, 1)),
        ("winter 2019", (2019, 12, 1), (2020, 3, 1)),
        ("spring", (2026, 3, 1), (2026, 6, 1)),  # it has begun
        ("summer", (2025, 6, 1), (2025, 9, 1)),
        ("last spring", (2025, 3, 1), (2025, 6, 1)),
        ("last winter", (2025, 12, 1), (2026, 3, 1)),
        ("this winter", (2025, 12, 1), (2026, 3, 1)),
        ("christmas 2019", (2019, 12, 24), (2019, 12, 27)),
        ("last_christmas", (2025, 12, 24), (2025, 12, 27)),
        ("easter 2019", (2019, 4, 19), (2019, 4, 23)),
        ("halloween", (2025, 10, 31), (2025, 11, 1)),
        ("new year 2020", (2019, 12, 31), (2020, 1, 2)),
    ],
)
def test_a_season_or_holiday_is_a_time(
    text: str, first: tuple[int, int, int], end: tuple[int, int, int]
) -> None:
    assert dates.span(text, NOW) == (day(*first), day(*end))


@pytest.mark.parametrize("text", ["winter 9999", "new year 0001", "easter 0000", "summers 2010", "noon 2010"])
def test_a_season_that_does_not_exist_is_no_date(text: str) -> None:
    assert dates.span(text, NOW) is None


@given(
    st.dates(date(1584, 1, 1), date(9990, 1, 1)).map(lambda day: datetime(day.year, day.month, day.day)),
    st.sampled_from(sorted(SEASONS)),
)
def test_the_latest_season_has_begun_and_the_last_one_is_over(today: datetime, name: str) -> None:
    begun, over = seasons.latest(name, today, ended=False), seasons.latest(name, today, ended=True)
    assert begun is not None
    assert over is not None
    assert begun[0] <= today < begun[0] + timedelta(days=400)
    assert over[1] <= today < over[1] + timedelta(days=400)


@pytest.mark.parametrize(
    ("year", "month", "day"),
    [(1818, 3, 22), (1943, 4, 25), (1961, 4, 2), (2000, 4, 23), (2024, 3, 31), (2038, 4, 25)],
)
def test_easter_sunday(year: int, month: int, day: int) -> None:
    assert seasons.easter(year) == date(year, month, day)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("boats in summer 2010", "summer 2010"),
        ("Christmas 2019 , dog", "Christmas 2019"),
        ("last winter", "last winter"),
        ("new year 2020", "new year 2020"),
        ("summer", None),
        ("midsummer 2010", None),
        ("summer 20105", None),
        ("summer , 2010", None),
    ],
)
def test_seasons_in_a_text(text: str, found: str | None) -> None:
    assert seasons.mentioned(text) == found


def test_a_season_in_prose_is_remarked() -> None:
    query = parse("red boat summer 2010", NOW)
    assert query.words == "red boat summer 2010"
    assert query.remarks == ('summer 2010 was read as words; on:"summer 2010" finds photos by their date',)
    assert parse('"summer 2010" boat', NOW).remarks == ()
