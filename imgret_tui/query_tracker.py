"""Which query is the newest one, and how much of its results has arrived."""

from __future__ import annotations

import threading
from enum import Enum, auto

FIRST_LIMIT = 50  # hits of a first search: each takes half a millisecond to render, and more can be requested


class Query:
    """One search: by text, or by the photo at a path. A larger number is a newer query."""

    __slots__ = ("limit", "number", "similar_to", "skip_words", "text", "words_finished")

    def __init__(
        self,
        number: int,
        text: str,
        similar_to: bytes | None = None,
        limit: int = FIRST_LIMIT,
        *,
        skip_words: bool = False,
    ) -> None:
        """`skip_words`: without first results by words alone, so that the hits before stay until the final ones."""
        self.number = number
        self.text = text
        self.similar_to = similar_to
        self.limit = limit
        self.skip_words = skip_words
        self.words_finished = threading.Event()

    @property
    def has_words_stage(self) -> bool:
        """Whether first results by words alone are wanted."""
        return self.similar_to is None and not self.skip_words


class DeferredAction(Enum):
    """What the user requested before the results were there."""

    CHOOSE = auto()
    MARK_ALL = auto()


class QueryTracker:
    """Numbers the queries and drops results of older ones. For the app's thread only."""

    def __init__(self, text: str) -> None:
        """`text`: that of the first query, before it is started."""
        self.current = Query(0, text)
        self.deferred: set[DeferredAction] = set()  # until the results of the current query arrive
        self.has_results = False  # of the current query, by words alone perhaps
        self._is_finished = False

    def start(self, text: str, similar_to: bytes | None, limit: int, *, skip_words: bool = False) -> Query:
        """Begin a new query, which becomes the current one."""
        self.current = Query(self.current.number + 1, text, similar_to, limit, skip_words=skip_words)
        self.deferred.clear()
        self.has_results = self._is_finished = False
        return self.current

    @property
    def is_finished(self) -> bool:
        """Whether the final results of the current query, or an error, have arrived."""
        return self._is_finished

    def accepts(self, number: int) -> bool:
        """Whether results or an error of the query with this number are still of interest."""
        return number == self.current.number and not self._is_finished

    def record_results(self, *, final: bool) -> None:
        """Results of the current query have arrived."""
        self.has_results = True
        self._is_finished = final

    def record_error(self) -> None:
        """The current query failed."""
        self._is_finished = True

    def has_all(self, count: int) -> bool:
        """Whether `count` hits are all that there are."""
        return self._is_finished and count < self.current.limit
