"""Where the candidates of a search come from: what the filters let through, and the nearest of it that lies somewhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from imgret.search.warm_index import Warm
from imgret.store import records
from imgret.store.clauses import Clause
from imgret.store.interface import Store

Ids = NDArray[np.int64]


class Scope(NamedTuple):
    """What the filters let through: ids, or a mask of the memory."""

    passes: Callable[[Ids], NDArray[np.bool_]]
    among: Ids | None = None
    mask: NDArray[np.bool_] | None = None


def scope_of(store: Store, clauses: Sequence[Clause], warm: Warm | None) -> Scope:
    """What these clauses let through; a mask where the vectors are in memory."""
    if warm is not None:
        memory = warm.memory
        passing = memory.mask(store, clauses)
        return Scope(mask=passing.places, passes=lambda ids: memory.passes(passing, ids))
    among = store.filters.matching(clauses)
    return Scope(among=among, passes=lambda ids: np.isin(ids, among))


def living(store: Store, ask: Callable[[int], Ids], count: int, scope: Scope | None) -> Ids:
    """The best `count` that lie somewhere still: while too many lie nowhere, four times as many are asked for.

    What the filters let through lies somewhere.
    """
    asked = count
    while True:
        found = ask(asked)
        if scope is not None:
            return found
        kept = found[store.filters.living(found)]
        if len(kept) >= count or len(found) < asked:
            return kept[:count]
        asked *= 4


def closest(
    store: Store,
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
        return store.nearest.search(query, count, among)
    except records.Damaged as damage:
        if not store.writable:
            return store.nearest.scan(query, count, among)
        notes.append(f"the table of nearest vectors was made anew: {damage}")
        store.nearest.rebuild()
    try:
        return store.nearest.search(query, count, among)
    except records.Damaged:  # another process is making it anew
        return store.nearest.scan(query, count, among)
