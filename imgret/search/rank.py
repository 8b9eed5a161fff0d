"""A question -> the photos that answer it: filters, candidates, one weighted sum, and why.

Candidates come from the nearest vectors, the words and the notes; all views of these few hundred are
then scored from the truth. Filters apply inside the search, never after it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from imgret.index import filters, nearest, vectors, words
from imgret.index.connection import Index
from imgret.photo import STRENGTHS, Hit, ModelIdentity, View
from imgret.search import background, fuse, hits
from imgret.search.background import worded
from imgret.search.query import Question
from imgret.search.stopwords import STOPWORDS
from imgret.search.warm import Warm

Ids = NDArray[np.int64]
Scores = NDArray[np.float32]
POOL = 80  # candidates from each source; all their views are scored exactly
MORE = 4  # candidates for each hit wanted: codes need them, and copies are to be collapsed
BUDGET = 20_000  # documents that the words may read for their candidates
SHARED_BUDGET = 5_000  # ... when vectors find candidates too, and know the common words as well
MOST_MORE = 10_000  # ... but no more than these: what is wanted may be a whole library
AT_ONCE = 4_096  # candidates whose vectors are in memory at a time
MOST_TERMS = 64
AWAY = 0.5  # how much `--not` takes away of a question that counts 1


class Asker(Protocol):
    """What embeds the texts of a question (see `imgret.search.ask.QueryEmbedder`)."""

    @property
    def identity(self) -> ModelIdentity:
        """Whose vectors they are."""
        ...

    def vectors(self, texts: list[str]) -> NDArray[np.float32]:
        """(texts, dimension), unit norm."""
        ...


class Answer(Struct, frozen=True):
    """The hits, best first, and what should be said of them on stderr, one sentence each."""

    hits: list[Hit]
    notes: list[str]


def search(
    index: Index,
    question: Question,
    asker: Asker | None,
    *,
    rank: str = "hybrid",
    k: int = 20,
    apart: bool = False,
    minimum: str = "weak",
    towards: NDArray[np.float32] | None = None,
    without: int | None = None,
    warm: Warm | None = None,
) -> Answer:
    """The `k` best answers to a question.

    `rank` is one of RANKS: `vector` is the cosine of the seed's passage alone, `words` is BM25 alone.
    Without an `asker`, or with one whose vectors are not those of the index, only words are searched,
    and a note says so. `apart` shows near-duplicates as hits of their own; hits below `minimum`, one of
    STRENGTHS, are left out. `towards` is a vector (dimension,) to ask with beside the words, that of a
    picture, and `without` the content that it was taken from, which is no answer. `warm` answers in place of the tables, for who asks often.
    """
    search_ = _Search(index, question, asker, rank, k, warm)
    search_.look(towards, without)
    found = search_.run()
    kept = [one for one in found if STRENGTHS.index(one.strength) >= STRENGTHS.index(minimum)]
    if found and not kept:
        search_.notes.append(f"nothing matches well enough: the best answer is {found[0].strength}")
    elif found and search_.asks and all(one.strength == "weak" for one in found):
        search_.notes.append("nothing matches well; these are the nearest")
    with index.reading():
        return Answer(hits.describe(index, question, kept, k=k, apart=apart), search_.notes)


class _Scope(NamedTuple):
    """What the filters let through: ids, or a mask of the memory."""

    passes: Callable[[Ids], NDArray[np.bool_]]
    among: Ids | None = None
    mask: NDArray[np.bool_] | None = None


class _Search:
    """One search: what its steps share."""

    def __init__(
        self,
        index: Index,
        question: Question,
        asker: Asker | None,
        rank: str,
        k: int,
        warm: Warm | None,
    ) -> None:
        self.warm = warm if warm is not None and warm.memory.refresh(index) else None
        self.index, self.question, self.rank, self.k = index, question, rank, k
        self.pool = k + min(k * (MORE - 1), MOST_MORE)
        self.notes: list[str] = []
        self.asker = self._fitting(asker)
        self.towards: NDArray[np.float32] | None = None
        self.without: list[int] = []
        self.asks = bool(question.words.strip() or question.away)

    def look(self, towards: NDArray[np.float32] | None, without: int | None) -> None:
        """Ask with this vector too, and leave this content out."""
        self.towards = towards
        self.asks = self.asks or towards is not None
        self.without = [] if without is None else [without]

    def run(self) -> list[hits.Found]:
        """Everything found, best first: more than `k`, since copies are still to be collapsed."""
        self.notes += filters.remarks(self.index, self.question.clauses)
        if not self.asks:
            among = filters.matching(self.index, self.question.clauses)
            ids = filters.newest(self.index, among, self.pool)
            return [hits.Found(content, 0.0, None, "strong", ()) for content in ids.tolist()]
        scope = self._scope() if self.question.clauses else None
        terms = self._terms() if self.rank != "vector" else []
        query = self._vector() if self.rank != "words" else None
        pool = self.pool if self.rank == "vector" else max(POOL, self.pool)
        budget, strict = (BUDGET, False) if query is None else (SHARED_BUDGET, True)

        def worded(count: int) -> Ids:
            passes = scope.passes if scope else None
            return words.best(self.index, terms, count, budget, strict=strict, passes=passes)

        parts = [self._living(worded, pool, scope)]
        if query is not None:
            near = pool + len(self.without)
            parts.append(self._living(lambda count: self._nearest(query, count, scope), near, scope))
        candidates = np.setdiff1d(np.concatenate(parts), np.array(self.without, np.int64))
        return self._scored(candidates, terms, query)

    def _living(self, ask: Callable[[int], Ids], count: int, scope: _Scope | None) -> Ids:
        """The best `count` that lie somewhere still: while too many lie nowhere, four times as many are asked for.

        What the filters let through lies somewhere.
        """
        asked = count
        while True:
            found = ask(asked)
            if scope is not None:
                return found
            kept = found[filters.living(self.index, found)]
            if len(kept) >= count or len(found) < asked:
                return kept[:count]
            asked *= 4

    def _scope(self) -> _Scope:
        if self.warm is not None:
            memory = self.warm.memory
            mask = memory.mask(self.index, self.question.clauses)
            return _Scope(mask=mask, passes=lambda ids: memory.passes(mask, ids))
        among = filters.matching(self.index, self.question.clauses)
        return _Scope(among=among, passes=lambda ids: np.isin(ids, among))

    def _terms(self) -> list[words.Term]:
        """The words to look up: those that carry a picture, or all of them where none does."""
        telling = [term for term in self.question.terms if term.lower().strip(".,;:!?()") not in STOPWORDS]
        return words.terms(self.index, (telling or self.question.terms)[:MOST_TERMS])

    def _vector(self) -> NDArray[np.float32] | None:
        """Where the question points: its words, more or less of some, away from others. Unit norm."""
        query = self.towards
        asked = [(self.question.words, 1.0)] if self.question.words.strip() else []
        asked += [(text, weight - 1.0) for text, weight in self.question.weights]
        asked += [(text, -AWAY) for text in self.question.away]
        if asked and self.asker is not None:
            rows = self.asker.vectors([text for text, _ in asked])
            words_ = np.array([weight for _, weight in asked], np.float32) @ rows
            query = words_ if query is None else query + words_
        if query is None:
            return None
        norm = float(np.linalg.norm(query))
        return query / np.float32(norm) if norm > 1e-6 else None

    def _nearest(self, query: NDArray[np.float32], count: int, scope: _Scope | None) -> Ids:
        if self.warm is not None:
            return self.warm.memory.nearest(query, count, scope.mask if scope else None)
        among = scope.among if scope else None
        try:
            return nearest.search(self.index, query, count, among)
        except nearest.Damaged as damage:
            if not self.index.writable:
                return nearest.scan(self.index, query, count, among)
            self.notes.append(f"the table of nearest vectors was made anew: {damage}")
            nearest.rebuild(self.index)
        try:
            return nearest.search(self.index, query, count, among)
        except nearest.Damaged:  # another process is making it anew
            return nearest.scan(self.index, query, count, among)

    def _scored(
        self, ids: Ids, terms: list[words.Term], query: NDArray[np.float32] | None
    ) -> list[hits.Found]:
        matches = self._matches(ids, terms)
        told, covered = fuse.bm25(matches), fuse.coverage(matches)
        cosine = np.full(len(ids), np.nan, np.float32)
        if query is None:
            score, level = told, [STRENGTHS[at] for at in worded(covered).tolist()]
        else:
            views = (View.PASSAGE,) if self.rank == "vector" else tuple(View)
            cosines = self._cosines(ids, query, views)
            taken = self.warm.sample if self.warm is not None else background.sample
            ground = taken(self.index)
            grounds, cosine = ground.grounds(query), cosines[View.PASSAGE]
            lead = grounds[View.PASSAGE]
            if self.rank == "vector":
                score, seen = np.nan_to_num(cosine, nan=-1.0), None
            else:
                score, seen = fuse.fused(cosines, grounds, matches, ground.spread), covered
            level = background.strengths(score, lead, ground.spread, seen)
        held = (matches.counts.sum(axis=2) > 0).tolist()
        order = np.lexsort((ids, -score)).tolist()
        return [
            hits.Found(
                content=int(ids[at]),
                score=float(score[at]),
                cosine=None if np.isnan(cosine[at]) else float(cosine[at]),
                strength=level[at],
                matched=tuple(term.text for term, there in zip(terms, held[at], strict=True) if there),
            )
            for at in order[: self.pool]
            if query is not None or told[at] > 0
        ]

    def _cosines(
        self, ids: Ids, query: NDArray[np.float32], views: tuple[View, ...]
    ) -> dict[View, NDArray[np.float32]]:
        """The cosine of each of these contents in each view; NaN where it lacks the view."""
        parts = [
            {
                view: rows @ query
                for view, rows in vectors.of(self.index, ids[at : at + AT_ONCE], views).items()
            }
            for at in range(0, max(len(ids), 1), AT_ONCE)
        ]
        return {view: np.concatenate([part[view] for part in parts]) for view in views}

    def _matches(self, ids: Ids, terms: list[words.Term]) -> fuse.Matches:
        counts, lengths = words.occurrences(self.index, terms, ids)
        total = words.size(self.index)
        documents = np.array([term.documents for term in terms] + [0], np.int64)
        rarity = fuse.rarity(documents, total)
        return fuse.Matches(counts, lengths, rarity[:-1], float(rarity[-1]))

    def _fitting(self, asker: Asker | None) -> Asker | None:
        """The asker, if its vectors may meet those of the index."""
        if self.rank == "words":
            return None
        answering = vectors.answering(self.index)
        if asker is None:
            return None  # who asked without one knows why
        if answering is None:
            self.notes.append("only words were searched: no photo has vectors yet")
        elif answering != asker.identity:
            self.notes.append(
                f"only words were searched: the vectors are still those of {answering.name}, "
                f"not of {asker.identity.name}; `imgret index` or the daemon makes them anew"
            )
        else:
            return asker
        return None
