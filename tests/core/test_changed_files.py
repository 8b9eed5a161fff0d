"""`changed`, which compares the FileStat in the index with the one on disk, case by case."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgret.listing import YOUNG_NS, Change, changed
from imgret.photo import FileStat

NOW = 1_700_000_000_000_000_000
OLD, YOUNG, FUTURE = NOW - 10 * YOUNG_NS, NOW - YOUNG_NS + 1, NOW + 10 * YOUNG_NS


@pytest.mark.parametrize(
    ("known", "seen", "change"),
    [
        (None, None, Change.SAME),
        (None, (1, OLD, OLD, 7), Change.NEW),
        ((1, OLD, OLD, 7), None, Change.MISSING),
        ((1, YOUNG, YOUNG, 7), None, Change.MISSING),
        ((1, OLD, OLD, 7), (1, OLD, OLD, 7), Change.SAME),
        ((1, OLD, OLD, 7), (2, OLD, OLD, 7), Change.SUSPECT),
        ((1, OLD, OLD, 7), (1, OLD + 1, OLD, 7), Change.SUSPECT),
        ((1, OLD, OLD, 7), (1, OLD, OLD + 1, 7), Change.SUSPECT),
        ((1, OLD, OLD, 7), (1, OLD, OLD, 8), Change.SUSPECT),
        (None, (1, YOUNG, YOUNG, 7), Change.RACY),
        (None, (1, OLD, YOUNG, 7), Change.RACY),
        (None, (1, YOUNG, OLD, 7), Change.RACY),
        ((1, YOUNG, YOUNG, 7), (1, YOUNG, YOUNG, 7), Change.RACY),
        (None, (1, NOW - YOUNG_NS, NOW - YOUNG_NS, 7), Change.NEW),
        (None, (1, FUTURE, OLD, 7), Change.NEW),
        ((1, FUTURE, FUTURE, 7), (1, FUTURE, FUTURE, 7), Change.SAME),
        (None, (0, 0, 0, 0), Change.NEW),
    ],
)
def test_changed(known: FileStat | None, seen: FileStat | None, change: Change) -> None:
    assert changed(known, seen, NOW) is change


moments = st.integers(NOW - 2 * YOUNG_NS, NOW + 2 * YOUNG_NS)
stamps = st.tuples(st.integers(0, 2), moments, moments, st.integers(0, 2))


@given(st.none() | stamps, st.none() | stamps)
def test_missing_only_without_a_file_and_same_only_with_an_equal_one(
    known: FileStat | None, seen: FileStat | None
) -> None:
    change = changed(known, seen, NOW)
    assert (change is Change.MISSING) == (seen is None and known is not None)
    if change is Change.SAME:
        assert known == seen
    if seen is not None and seen == known:
        assert change in (Change.SAME, Change.RACY)
