"""Hits sorted by date or path: none is lost, and equal ones stay in the order of the search."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from imgret.photo import SORTS, Hit
from imgret.search.describe_hits import in_order

HITS = st.lists(st.tuples(st.none() | st.sampled_from([-5, 0, 7]), st.binary(min_size=1, max_size=3)))


def hit(rank: int, taken_at: int | None, path: bytes) -> Hit:
    return Hit(
        rank=rank,
        content=rank,
        path=path,
        score=1.0,
        cosine=None,
        strength="strong",
        shown={},
        note=None,
        taken_at=taken_at,
        width=None,
        height=None,
        online=True,
        why=(),
    )


@given(HITS, st.sampled_from(SORTS))
def test_hits_are_sorted_and_none_is_lost(found: list[tuple[int | None, bytes]], sort: str) -> None:
    hits = [hit(rank, *each) for rank, each in enumerate(found)]
    again = in_order(hits, sort)
    assert sorted(each.rank for each in again) == list(range(len(hits)))
    keys = {
        "score": lambda each: 0,
        "path": lambda each: each.path,
        "date": lambda each: float("inf") if each.taken_at is None else -each.taken_at,
    }
    for one, next_ in pairwise(again):
        assert (keys[sort](one), one.rank) < (keys[sort](next_), next_.rank)
