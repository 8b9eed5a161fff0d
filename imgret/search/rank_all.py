"""Score all photos of a library for many queries, as an evaluation needs it.

`rank.search` looks for a few hundred candidates, scores them, and makes hits of them. Here all contents that such a search
with an unlimited number of hits would return are scored, by the same functions. What those read is kept in memory: the
vectors once for each view, the words once for each term instead of once for each query. The library must not change
meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from imgret.search import rank
from imgret.search.parse import ParsedQuery
from imgret.search.score_baseline import Sample
from imgret.search.scoring import SpaceQuery
from imgret.search.space_queries import SpaceEncoder, Spaces, usable_spaces
from imgret.search.warm_index import WarmIndex
from imgret.store.interface import Store
from imgret.store.policy import rarest
from imgret.store.records import Occurrences, Space, Term

Ids = NDArray[np.int64]
Scores = NDArray[np.float32]
Matrix = NDArray[np.float32]
UNLIMITED = 1 << 62  # documents that may be read
MOST_PARTS = 100  # arrays of the vectors of some contents that are kept; scoring takes a library in parts


class WholeRanking(NamedTuple):
    """The contents that a query returns, in ascending order of their ids, and their scores."""

    contents: Ids
    scores: Scores


class LibraryRanker:
    """Ranks one library. Belongs to the thread of its store."""

    def __init__(
        self,
        store: Store,
        encoder: SpaceEncoder | None,
        others: Mapping[str, SpaceEncoder] = MappingProxyType({}),
    ) -> None:
        """`encoder` and `others` are those of `rank.search`. Reads all leading vectors."""
        self._store = store
        self._known = _KnownStore(store)
        self._spaces, self.notes = usable_spaces(store, encoder, others, {})
        self._warm = WarmIndex(store)
        self._samples: dict[int, Sample] = {}  # by space

    def ranked(self, query: ParsedQuery, ranking: str) -> WholeRanking:
        """Return what `rank.search` returns without a limit. `ranking` is one of RANKS."""
        spaces = Spaces({}, {}) if ranking == "words" else self._spaces
        terms, queries = rank.terms_and_queries(
            self._store, self._known.words, query, spaces, self._warm, ranking
        )
        queries = [each._replace(sample=self._sample(each)) for each in queries]
        ids = self._candidates(query, terms, queries)
        found, matches = rank.score(self._known, query, spaces, ids, terms, queries, ranking)
        return WholeRanking(ids[matches], found.score[matches])

    def _sample(self, query: SpaceQuery) -> Sample:
        if query.space.id not in self._samples:
            self._samples[query.space.id] = _KnownSample(query.sample)
        return self._samples[query.space.id]

    def _candidates(self, query: ParsedQuery, terms: Sequence[Term], queries: Sequence[SpaceQuery]) -> Ids:
        """Return the contents that have a vector in a searched space, or a word among those that are looked for."""
        known = self._known
        kept = np.zeros(len(known.ids), np.bool_)
        for each in queries:
            lead = known.vectors.of(each.space, known.ids, (each.space.lead,))[each.space.lead]
            kept |= ~np.isnan(lead[:, 0])
        if not kept.all():
            budget, strict = (rank.SHARED_BUDGET, True) if queries else (rank.BUDGET, False)
            for term in rarest(terms, budget, strict=strict):
                kept[known.words.holding(term)[0]] = True
        if query.clauses:
            kept &= np.isin(known.ids, self._store.filters.matching(query.clauses))
        return known.ids[kept]


class _KnownSample(Sample):
    """A sample that computes the hubness of an array of vectors once for all queries."""

    def __init__(self, sample: Sample) -> None:
        self.__dict__.update(vars(sample))
        self._of_rows: dict[
            tuple[str, int], tuple[Matrix, Scores | float]
        ] = {}  # by view and id of the array

    def hubness(self, view: str, rows: Matrix) -> Scores | float:
        key = view, id(rows)
        if key not in self._of_rows:
            if len(self._of_rows) >= MOST_PARTS:
                self._of_rows.clear()
            # The array is kept, so that no other one gets its id.
            self._of_rows[key] = rows, super().hubness(view, rows)
        return self._of_rows[key][1]


class _KnownStore:
    """What scoring reads of a store, in memory; implements `scoring.ScoredStore`."""

    def __init__(self, store: Store) -> None:
        self.ids = store.filters.matching(())  # all contents with a photo, ascending
        self.words = _KnownWords(store, self.ids)
        self.vectors = _KnownVectors(store, self.ids)


class _KnownWords:
    def __init__(self, store: Store, ids: Ids) -> None:
        self._store, self._ids = store, ids
        self._documents = store.words.document_count()
        # The lengths of all documents; they do not depend on the term.
        sized = store.words.occurrences([Term("", ("",), 0)], ids)
        self._lengths, self._weights = sized.lengths, sized.weights
        self._terms: dict[tuple[str, bool], list[Term]] = {}
        self._holding: dict[Term, tuple[Ids, NDArray[np.int32]]] = {}

    def terms(self, texts: Iterable[str], *, wider: bool = True) -> list[Term]:
        found: dict[tuple[str, ...], Term] = {}
        for text in texts:
            if (text, wider) not in self._terms:
                self._terms[text, wider] = self._store.words.terms([text], wider=wider)
            for term in self._terms[text, wider]:
                found.setdefault(term.tokens, term)
        return list(found.values())

    def document_count(self) -> int:
        return self._documents

    def occurrences(
        self,
        terms: Sequence[Term],
        contents: Ids,
        pairs: Sequence[tuple[int, int]] = (),  # noqa: ARG002
    ) -> Occurrences:
        """As that of the store, but without `apart`, which concerns the strength alone and no score."""
        columns = len(self._weights)
        counts = np.zeros((len(self._ids), len(terms), columns), np.int32)
        for number, term in enumerate(terms):
            at, held = self.holding(term)
            counts[at, number] = held
        lengths = self._lengths if terms else np.zeros_like(self._lengths)
        if len(contents) != len(self._ids):
            at = np.searchsorted(self._ids, contents)
            counts, lengths = counts[at], lengths[at]
        return Occurrences(counts, lengths, np.zeros(len(contents), np.bool_), self._weights)

    def holding(self, term: Term) -> tuple[Ids, NDArray[np.int32]]:
        """Return the positions of the contents with a term, (n,), and how often it is in their columns, (n, columns)."""
        if term not in self._holding:
            found = self._store.words.best(
                [term], len(self._ids), UNLIMITED, passes=lambda ids: np.isin(ids, self._ids)
            )
            at = np.searchsorted(self._ids, np.sort(found))
            self._holding[term] = at, self._store.words.occurrences([term], self._ids[at]).counts[:, 0]
        return self._holding[term]


class _KnownVectors:
    def __init__(self, store: Store, ids: Ids) -> None:
        self._store, self._ids = store, ids
        self._views: dict[tuple[int, str], Matrix] = {}
        self._parts: dict[tuple[int, str, int, int], tuple[Ids, Matrix]] = {}

    def of(self, space: Space, contents: Ids, views: Sequence[str]) -> dict[str, Matrix]:
        """As that of the store. The same contents get the same array as in the call before."""
        missing = [view for view in views if (space.id, view) not in self._views]
        if missing:
            read = self._store.vectors.of(space, self._ids, missing)
            self._views |= {(space.id, view): rows for view, rows in read.items()}
        if len(contents) == len(self._ids):
            return {view: self._views[space.id, view] for view in views}
        return {view: self._part(space.id, view, contents) for view in views}

    def _part(self, space: int, view: str, contents: Ids) -> Matrix:
        key = (space, view, int(contents[0]) if len(contents) else 0, len(contents))
        known = self._parts.get(key)
        if known is None or not np.array_equal(known[0], contents):
            if len(self._parts) >= MOST_PARTS:
                self._parts.clear()
            at = np.searchsorted(self._ids, contents)
            known = self._parts[key] = contents, self._views[space, view][at]
        return known[1]
