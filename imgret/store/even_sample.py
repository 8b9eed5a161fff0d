"""Which contents a sample of a space is made of: evenly spread, and the same in all spaces as far as possible.

Scores of two spaces can only be compared over photos that are in both samples. So which ids are tried depends on the
library, and not on the space: on what it lacks, or on where it begins and ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

MORE = 4  # ids tried for each one wanted: there are gaps where photos were forgotten or lack the vector
MOST = 64  # ... if there are many gaps

Ids = NDArray[np.int64]


def even_sample(
    library: tuple[int, int], count: int, present: Callable[[Ids], Ids], ends: Callable[[], tuple[int, int]]
) -> Ids:
    """Return at most `count` ids that are present, ascending.

    `library` is the least and the greatest id. `present` returns those of some ascending ids that are in the space,
    ascending, and `ends` the least and the greatest id of the space.
    """
    for tried in _tries(*library, count):
        found = present(tried)
        if len(found) >= count:
            return _chosen(tried, found, count)
    if len(tried) > library[1] - library[0]:  # all ids were tried
        return found
    own = present(np.unique(np.linspace(*ends(), MORE * count).astype(np.int64)))
    return np.union1d(found, _thinned(np.setdiff1d(own, found), count - len(found)))


def _tries(first: int, last: int, count: int) -> Iterator[Ids]:
    """Yield the multiples of a power of two in a range, then of smaller ones: each time at least four times as many."""
    step = 1 << max(0, ((last - first) // (MORE * count)).bit_length() - 1)
    while True:
        yield np.arange(-(-first // step) * step, last + 1, step, dtype=np.int64)
        if step == 1 or (last - first) // step >= MOST * count:
            return
        step = max(1, step // 4)


def _chosen(tried: Ids, found: Ids, count: int) -> Ids:
    """Return `count` of `found`: the first in each group of ids that were tried, so that a gap in one group changes no other."""
    if len(found) == count:
        return found
    groups = np.searchsorted(tried, found) // -(-len(tried) // count)
    first = found[np.unique(groups, return_index=True)[1]]
    return np.union1d(first, _thinned(np.setdiff1d(found, first), count - len(first)))


def _thinned(ids: Ids, count: int) -> Ids:
    """Return at most `count` of these, evenly."""
    return ids if len(ids) <= count else ids[np.linspace(0, len(ids) - 1, count).astype(np.int64)]
