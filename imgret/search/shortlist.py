"""Candidates of a search in several spaces at once, from the vectors in memory.

The best photos of all spaces together are near in one of them, though perhaps not among the very nearest. So the
nearest of each space, many more than are wanted, get the evidence of all spaces from their codes, by some components
and then by all. What remains is scored exactly by the caller.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from imgret.search import fuse, scoring
from imgret.search.scoring import SpaceQuery, SpaceScores
from imgret.search.warm_index import WarmIndex
from imgret.store.filter_masks import Mask
from imgret.store.records import IMAGE, TEXT

DEEP = 3000  # photos of each space that are compared in all spaces, or
DEEPER = 12  # ... so many for each candidate, if there are more
FINE = 24  # photos that are compared by all components, for each candidate

Ids = NDArray[np.int64]


def shortlist(
    warm: WarmIndex,
    queries: Sequence[SpaceQuery],
    count: int,
    mask: Mask | None = None,
    *,
    living: Callable[[Ids], NDArray[np.bool_]] | None = None,
) -> Ids:
    """Return the best `count` contents by all spaces together, or fewer; the best first.

    `mask` has the contents that pass the filters. Without filters, `living` are the
    contents that still have a photo: one that matches well makes all others less likely, so it is called for the nearest.
    """
    deep = max(DEEP, DEEPER * count)

    def near(query: SpaceQuery) -> Ids:
        return warm.memories[query.space.id].nearest(query.vector, deep, mask, fine=False)

    nearest = warm.at_once(near, queries)
    ids = np.unique(np.concatenate(nearest))
    if living is not None:
        first = np.unique(np.concatenate([found[:count] for found in nearest]))
        ids = np.setdiff1d(ids, first[~living(first)], assume_unique=True)
    for fine, kept in ((False, FINE * count), (True, count)):
        if fine or len(ids) > kept:
            best = _joined(warm, queries, ids, fine=fine)
            ids = ids[np.argsort(-best, kind="stable")[:kept]]
    return ids


def _joined(warm: WarmIndex, queries: Sequence[SpaceQuery], ids: Ids, *, fine: bool) -> scoring.Scores:
    """Return the evidence of all spaces together, about, (ids,)."""
    space_scores = {query.space.stage: _space_scores(warm, query, ids, fine=fine) for query in queries}
    doubted = scoring.doubt(space_scores.get(TEXT), space_scores.get(IMAGE))
    return scoring.hybrid(queries, space_scores, np.zeros(len(ids), np.float32), doubted)


def _space_scores(warm: WarmIndex, query: SpaceQuery, ids: Ids, *, fine: bool) -> SpaceScores:
    """Return about what `scoring` computes from the vectors themselves."""
    memory, sample = warm.memories[query.space.id], query.sample
    scores = memory.scores(query.vector, np.concatenate([sample.contents, ids]), fine=fine)
    sampled, found = scores[: len(sample.contents)], scores[len(sample.contents) :]
    ground = fuse.baseline(sampled)
    standard, usual = fuse.standard(found, ground, sample.least), fuse.standard(sampled, ground, sample.least)
    of_sample = {view: rows[:, 0] for view, rows in sample.vectors.items()}
    described = scoring.described_by(of_sample, query.space.lead, is_text=query.space.stage == TEXT)
    return SpaceScores(
        standard=standard,
        described=~np.isnan(found),
        cosine=found,
        sampled=usual,
        compared=np.asarray(np.where(described, usual, np.nan), np.float32),
        sample=sample,
    )
