"""Run every query of a data set, one by one, and record the rank of its photo.

The caller passes rankings as functions: the search that users have, and others to compare it with. Each returns all photos
that it finds, so the rank is exact however far behind the photo is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from imgret.evaluate.dataset import Query
from imgret.evaluate.metrics import Floats, Ids, PhotoRank, photo_rank

STEP = 100  # queries between reports of the progress


class Ranking(Protocol):
    """A function from a plain text, without operators, to photos with scores."""

    def __call__(self, text: str, /) -> tuple[Ids, Floats]:
        """Return the contents that are found and their scores, in any order, each content once."""
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
        relevant = contents[query.photo]
        found.append(PhotoRank(None, 0) if relevant is None else photo_rank(*ranking(query.text), relevant))
        if number % STEP == 0 or number == len(queries):
            on_progress(number)
    return found
