"""Count the terms of a query in documents, part by part. The rules are the same whether a token is a word or its number."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Generic

import numpy as np
from numpy.typing import NDArray

from imgret.store import nearby
from imgret.store.nearby import Token
from imgret.store.records import LABELS, NAMES, Occurrences, TextColumn


class TermCounts(Generic[Token]):
    """Fills `found` with the counts of some contents; see `interface.retrieval.Words.occurrences`."""

    def __init__(
        self,
        columns: Sequence[TextColumn],
        contents: NDArray[np.int64],
        terms: Sequence[tuple[Token, ...]],
        also: Sequence[Sequence[tuple[Token, ...]]],
        pairs: Sequence[tuple[int, int]],
    ) -> None:
        """`terms` are the tokens of each term, `also` those of the labels that it means."""
        names = [column.name for column in columns]
        self._of_labels, self._of_names = names.index(LABELS), names.index(NAMES)
        self._terms, self._pairs = terms, pairs
        self._also = [[label for label in some if label] for some in also]
        self._places = {content: at for at, content in enumerate(contents.tolist())}
        self._at = 0
        self._joined: set[tuple[int, int]] = set()  # pairs of which one describes the other
        self.found = Occurrences(
            np.zeros((len(contents), len(terms), len(columns)), np.int32),
            np.zeros((len(contents), len(columns)), np.int32),
            np.zeros(len(contents), np.bool_),
            np.array([column.weight for column in columns], np.float32),
        )

    def begin(self, content: int) -> None:
        """The following parts are in the document of this content."""
        self._at = self._places[content]
        self._joined.clear()

    def add_length(self, column: int, length: int) -> None:
        """Count a part of a column that has this many tokens, and no term."""
        lengths = self.found.lengths
        lengths[self._at, column] = max(lengths[self._at, column], length)

    def add(self, column: int, tokens: Sequence[Token], within: Collection[int]) -> None:
        """Count a part of a column. The terms `within` are parts of its words."""
        self.add_length(column, len(tokens))
        places = [nearby.positions(tokens, term) for term in self._terms]
        if column == self._of_labels:
            for number, some in enumerate(self._also):
                places[number] += [spot for label in some for spot in nearby.positions(tokens, label)]
        here = [len(spots) or (number in within) for number, spots in enumerate(places)]
        counts = self.found.counts[self._at, :, column]
        np.maximum(counts, here, out=counts)
        self._joined.update(
            (one, other)
            for one, other in self._pairs
            if (column == self._of_names and places[one]) or nearby.describes(places[one], places[other])
        )

    def end(self) -> None:
        """All parts of the document were counted."""
        if self._pairs:
            held = self.found.counts[self._at].any(axis=1)
            self.found.apart[self._at] = any(
                held[one] and (one, other) not in self._joined for one, other in self._pairs
            )
