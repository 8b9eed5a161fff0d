"""Candidates of a search in several spaces at once, from the vectors in memory.

A photo that is only fairly near in each of two spaces can be better than the nearest of one. So the nearest of each
space, many more than are wanted, are compared in all spaces by their codes, and the best together are scored exactly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from imgret.search.scoring import SpaceQuery
from imgret.search.warm_index import WarmIndex

DEEP = 12  # photos of each space that are compared in all spaces, for each candidate
STEEP, FROM = 2.0, 2.0  # a standard score counts from FROM spreads on, as in `imgret.search.fuse`

Ids = NDArray[np.int64]


def shortlist(
    warm: WarmIndex,
    queries: Sequence[SpaceQuery],
    count: int,
    masks: Mapping[int, NDArray[np.bool_]] | None = None,
) -> Ids:
    """Return `count` contents, or fewer: the best by all spaces together, then the nearest of each space.

    `masks` are the vectors that pass the filters, by the id of the space.
    """
    memories = [warm.memories[query.space.id] for query in queries]
    nearest = [
        memory.nearest(query.vector, DEEP * count, None if masks is None else masks[query.space.id])
        for memory, query in zip(memories, queries, strict=True)
    ]
    ids = np.unique(np.concatenate(nearest))
    total = np.zeros(len(ids), np.float32)
    for memory, query in zip(memories, queries, strict=True):
        above = np.nan_to_num(memory.standard_scores(query.vector, ids), nan=0.0)
        # Softly from FROM on, so that a photo may be good in one space only; without a tie below it.
        total += np.logaddexp(0, STEEP * (above - np.float32(FROM)))
    best = ids[np.argsort(-total, kind="stable")]
    together = count - len(nearest) * (count // 4)
    first = np.concatenate([best[:together], *(found[: count // 4] for found in nearest), best[together:]])
    _, places = np.unique(first, return_index=True)
    return first[np.sort(places)][:count]
