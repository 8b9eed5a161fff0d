"""Where the candidates of a search come from: what the filters let through, and the nearest of it that lies somewhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from imgret.search.warm_index import Warm
from imgret.store.clauses import Clause
from imgret.store.sqlite import filters, nearest
from imgret.store.sqlite.connection import Index

Ids = NDArray[np.int64]


class Scope(NamedTuple):
    """What the filters let through: ids, or a mask of the memory."""

    passes: Callable[[Ids], NDArray[np.bool_]]
    among: Ids | None = None
    mask: NDArray[np.bool_] | None = None


def scope_of(index: Index, clauses: Sequence[Clause], warm: Warm | None) -> Scope:
    """What these clauses let through; a mask where the vectors are in memory."""
    if warm is not None:
        memory = warm.memory
        passing = memory.mask(index, clauses)
        return Scope(mask=passing.places, passes=lambda ids: memory.passes(passing, ids))
    among = filters.matching(index, clauses)
    return Scope(among=among, passes=lambda ids: np.isin(ids, among))


def living(index: Index, ask: Callable[[int], Ids], count: int, scope: Scope | None) -> Ids:
    """The best `count` that lie somewhere still: while too many lie nowhere, four times as many are asked for.

    What the filters let through lies somewhere.
    """
    asked = count
    while True:
        found = ask(asked)
        if scope is not None:
            return found
        kept = found[filters.living(index, found)]
        if len(kept) >= count or len(found) < asked:
            return kept[:count]
        asked *= 4


def closest(
    index: Index,
    query: NDArray[np.float32],
    count: int,
    scope: Scope | None,
    warm: Warm | None,
    notes: list[str],
) -> Ids:
    """The contents whose leading vectors are nearest to `query` (dimension,). Mends a damaged table, and notes it."""
    if warm is not None:
        return warm.memory.nearest(query, count, scope.mask if scope else None)
    among = scope.among if scope else None
    try:
        return nearest.search(index, query, count, among)
    except nearest.Damaged as damage:
        if not index.writable:
            return nearest.scan(index, query, count, among)
        notes.append(f"the table of nearest vectors was made anew: {damage}")
        nearest.rebuild(index)
    try:
        return nearest.search(index, query, count, among)
    except nearest.Damaged:  # another process is making it anew
        return nearest.scan(index, query, count, among)
