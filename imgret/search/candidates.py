"""The candidates of a search: contents that pass the filters, and the nearest of those that still have a photo."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from imgret.search.warm_index import WarmIndex
from imgret.store import records
from imgret.store.clauses import Clause
from imgret.store.interface import Store
from imgret.store.records import Space

Ids = NDArray[np.int64]


class Scope(NamedTuple):
    """What the filters let through: ids, or for each space a mask of its vectors in memory."""

    passes: Callable[[Ids], NDArray[np.bool_]]
    among: Ids | None = None
    masks: Mapping[int, NDArray[np.bool_]] | None = None


def scope_of(store: Store, clauses: Sequence[Clause], warm: WarmIndex | None) -> Scope:
    """What these clauses let through; a mask where the vectors are in memory."""
    if warm is not None:
        matching = cache(lambda: store.filters.matching(clauses))  # once for all spaces
        found = [(memory, memory.mask(store, clauses, matching)) for memory in warm.memories.values()]
        first, passing = found[0]
        return Scope(
            masks={memory.space.id: each.positions for memory, each in found},
            passes=lambda ids: first.passes(passing, ids),
        )
    among = store.filters.matching(clauses)
    return Scope(among=among, passes=lambda ids: np.isin(ids, among))


def living(store: Store, nearest: Callable[[int], Ids], count: int, scope: Scope | None) -> Ids:
    """Return the best `count` that still have a photo; while too many have none, four times as many are requested.

    Contents that pass filters always have one.
    """
    requested = count
    while True:
        found = nearest(requested)
        if scope is not None:
            return found
        kept = found[store.filters.living(found)]
        if len(kept) >= count or len(found) < requested:
            return kept[:count]
        requested *= 4


def closest(
    store: Store,
    space: Space,
    query: NDArray[np.float32],
    count: int,
    scope: Scope | None,
    warm: WarmIndex | None,
    damaged: dict[Space, str],
) -> Ids:
    """The contents whose leading vectors are nearest to `query` (dimension,) in a space.

    Reads all vectors where the table of the nearest is damaged, and adds the damage to `damaged`.
    """
    if warm is not None:
        mask = scope.masks[space.id] if scope is not None and scope.masks is not None else None
        return warm.memories[space.id].nearest(query, count, mask)
    among = scope.among if scope else None
    if space not in damaged:
        try:
            return store.nearest.search(space, query, count, among)
        except records.Damaged as damage:
            damaged[space] = str(damage)
    return store.nearest.scan(space, query, count, among)
