"""Ask every question of a data set, one by one, and remember where its photo stood.

Rankings are brought by the caller as functions, so that the ordinary search can be measured, and anything
else beside it. A ranking is asked as users ask, for the first 20; where the photo is not clearly among them it
is asked again for the first 1,000, and beyond those the photo counts as not returned.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from imgret.evaluate.dataset import Query
from imgret.evaluate.metrics import Answer, Floats, Ids, answer, equal

FIRST = 20
DEEP = 1000


class Ranking(Protocol):
    """A text -> photos. The text is plain: nothing in it is an operator."""

    def __call__(self, text: str, count: int, /) -> tuple[Ids, Floats]:
        """The best `count` contents and their scores, best first, each content once."""
        ...


def answers(
    queries: Sequence[Query],
    right: Mapping[str, int | None],
    ranking: Ranking,
    on_progress: Callable[[int], None] = lambda _: None,
) -> list[Answer]:
    """Where each question's photo stood. `right` is photo -> content, None for one that cannot be read."""
    found = []
    for number, query in enumerate(queries, 1):
        found.append(_answer(query.text, right[query.photo], ranking))
        on_progress(number)
    return found


def _answer(text: str, right: int | None, ranking: Ranking) -> Answer:
    if right is None:
        return Answer(None, 0)
    contents, scores = ranking(text, FIRST)
    first = answer(contents, scores, right)
    if first.rank is None or equal(scores[contents == right][0], scores[-1]):  # or its equals may be cut off
        return answer(*ranking(text, DEEP), right)
    return first
