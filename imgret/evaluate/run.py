"""Run every query of a data set, one by one, and record the rank of its photo.

The caller passes rankings as functions: the search that users have, and others to compare it with. A ranking is
requested as users do, for the first 20 hits. If the photo is not clearly among them, the first 1,000 are requested;
beyond those the photo counts as not returned.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from imgret.evaluate.dataset import Query
from imgret.evaluate.metrics import Floats, Ids, PhotoRank, equal, photo_rank

FIRST = 20
DEEP = 1000


class Ranking(Protocol):
    """A function from a plain text, without operators, to ranked photos."""

    def __call__(self, text: str, count: int, /) -> tuple[Ids, Floats]:
        """Return the best `count` contents and their scores, best first, each content once."""
        ...


def run_queries(
    queries: Sequence[Query],
    contents: Mapping[str, int | None],
    ranking: Ranking,
    on_progress: Callable[[int], None] = lambda _: None,
) -> list[PhotoRank]:
    """Return the rank of each query's photo. `contents` is photo -> content, None for a file that cannot be read."""
    found = []
    for number, query in enumerate(queries, 1):
        found.append(_run_query(query.text, contents[query.photo], ranking))
        on_progress(number)
    return found


def _run_query(text: str, relevant: int | None, ranking: Ranking) -> PhotoRank:
    if relevant is None:
        return PhotoRank(None, 0)
    contents, scores = ranking(text, FIRST)
    first = photo_rank(contents, scores, relevant)
    # If the photo has the last score, further photos with the same score may be missing.
    if first.rank is None or equal(scores[contents == relevant][0], scores[-1]):
        return photo_rank(*ranking(text, DEEP), relevant)
    return first
