"""The candidates of a search: contents that pass the filters, and the nearest of those that still have a photo."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from imgret.search.warm_index import WarmIndex
from imgret.store import filter_masks, records
from imgret.store.clauses import Clause
from imgret.store.filter_masks import Mask
from imgret.store.interface import Store
from imgret.store.records import Space

Ids = NDArray[np.int64]


class Scope(NamedTuple):
    """What the filters let through: ids, or a mask where the vectors are in memory."""

    passes: Callable[[Ids], NDArray[np.bool_]]
    among: Ids | None = None
    mask: Mask | None = None


def scope_of(store: Store, clauses: Sequence[Clause], warm: WarmIndex | None) -> Scope:
    """What these clauses let through."""
    if warm is not None:
        mask = warm.filters.passing(store, clauses)
        return Scope(mask=mask, passes=partial(filter_masks.passes, mask))
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
        return warm.memories[space.id].nearest(query, count, scope.mask if scope else None)
    among = scope.among if scope else None
    if space not in damaged:
        try:
            return store.nearest.search(space, query, count, among)
        except records.Damaged as damage:
            damaged[space] = str(damage)
    return store.nearest.scan(space, query, count, among)
