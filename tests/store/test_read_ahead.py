"""Rows of expected contents are read together, in steps, and each content still gets its own rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from imgret.store.read_ahead import ReadAhead

ROWS = {1: [("a",), ("b",)], 2: [("c",)], 4: [("d",)]}  # contents 0, 3 and 5 have none
CONTENTS = st.lists(st.integers(0, 5), max_size=12)


class Reads:
    """Executes a statement on ROWS, and records for how many contents."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def __call__(self, sql: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        self.sizes.append(len(values[0]))
        return [(content, *row) for content in values[0] for row in ROWS.get(content, [])]


@given(CONTENTS, CONTENTS, st.integers(1, 4))
def test_each_content_gets_its_own_rows_whatever_is_expected(
    expected: list[int], read: list[int], together: int
) -> None:
    reads = Reads()
    ahead = ReadAhead(reads, together)
    ahead.expect(expected)
    assert [ahead.rows("SELECT", content) for content in read] == [ROWS.get(content, []) for content in read]
    assert all(size <= together for size in reads.sizes)


def test_expected_contents_are_read_once_in_steps() -> None:
    reads = Reads()
    ahead = ReadAhead(reads, 2)
    ahead.expect([1, 2, 4, 5, 3])
    for content in (1, 2, 4, 5, 3, 1):
        ahead.rows("SELECT", content)
    assert reads.sizes == [2, 2, 1]
    ahead.forget()
    ahead.rows("SELECT", 1)
    assert reads.sizes == [2, 2, 1, 2]


@given(st.lists(st.tuples(CONTENTS, st.lists(st.sampled_from("ABC"), max_size=5)), max_size=5))
def test_what_followed_before_is_read_in_the_same_round_trip(
    rounds: list[tuple[list[int], list[str]]],
) -> None:
    def read(sql: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        return [(content, f"{sql}{content}") for content in values[0]]

    ahead = ReadAhead(read, 3, lambda statements: [read(*each) for each in statements])
    for expected, statements in rounds:
        ahead.expect(expected)
        for content in expected:
            for sql in statements:
                assert ahead.rows(sql, content) == [(f"{sql}{content}",)]
    ahead.expect(())


def test_one_round_trip_reads_what_took_several_before() -> None:
    trips: list[list[str]] = []

    def read_all(statements: Sequence[tuple[str, Sequence[Any]]]) -> list[list[tuple[Any, ...]]]:
        trips.append([sql for sql, _ in statements])
        return [[(content, sql) for content in values[0]] for sql, values in statements]

    def read(sql: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        return read_all([(sql, values)])[0]

    ahead = ReadAhead(read, 10, read_all)
    for statements in ("ABC", "ABC", "AB", "AB"):
        ahead.expect([1, 2])
        for sql in statements:
            assert ahead.rows(sql, 2) == [(sql,)]
    assert trips == [["A"], ["B"], ["C"], ["A", "B", "C"], ["A", "B", "C"], ["A", "B"]]
