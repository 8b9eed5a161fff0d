"""A question -> the photos that answer it: filters, candidates, one weighted sum, and why.

Candidates come from the nearest vectors, the words and the notes; all views of these few hundred are
then scored from the truth. Filters apply inside the search, never after it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Protocol

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from imgret.photo import STRENGTHS, Hit, ModelIdentity
from imgret.search import describe_hits, empty_reasons, score_baseline, scoring
from imgret.search.candidates import Ids, closest, living, scope_of
from imgret.search.parse import ParsedQuery
from imgret.search.stopwords import STOPWORDS
from imgret.search.warm_index import WarmIndex
from imgret.store import records
from imgret.store.interface import Store

POOL = 80  # candidates from each source; all their views are scored exactly
MORE = 4  # candidates for each hit wanted: codes need them, and copies are to be collapsed
BUDGET = 20_000  # documents that the words may read for their candidates
SHARED_BUDGET = 5_000  # ... when vectors find candidates too, and know the common words as well
MOST_MORE = 10_000  # ... but no more than these: what is wanted may be a whole library
MOST_TERMS = 64
FEW_TERMS = 2
SAME = "the same picture"  # why a copy is an answer
ALIKE = "looks the same"  # why a re-encoded, resized or turned copy is
AWAY = 1.0  # how much of an answer to a text of `--not` is taken off a score
TURN = 0.5  # how far such a text turns the vector of a question that counts 1


class SpaceEncoder(Protocol):
    """What embeds the texts of a question (see `imgret.search.query_encoder.QueryEncoder`)."""

    @property
    def identity(self) -> ModelIdentity:
        """Whose vectors they are."""
        ...

    def vectors(self, texts: list[str]) -> NDArray[np.float32]:
        """(texts, dimension), unit norm."""
        ...


class SearchResult(Struct, frozen=True):
    """The hits, best first, and what should be said of them on stderr, one sentence each."""

    hits: list[Hit]
    notes: list[str]


def search(
    store: Store,
    question: ParsedQuery,
    encoder: SpaceEncoder | None,
    *,
    rank: str = "hybrid",
    limit: int = 20,
    all_copies: bool = False,
    min_strength: str = "weak",
    towards: NDArray[np.float32] | None = None,
    without: int | None = None,
    copies: Sequence[int] = (),
    alike: Sequence[int] = (),
    warm: WarmIndex | None = None,
    off: Collection[str] = (),
    others: Mapping[str, SpaceEncoder] = MappingProxyType({}),
    towards_others: Mapping[str, NDArray[np.float32]] = MappingProxyType({}),
) -> SearchResult:
    """The `limit` best hits of a search.

    `rank` is one of RANKS: `vector` is the cosine of the seed's passage alone, `words` is BM25 alone.
    Without an `encoder`, or with one whose vectors are not those of the index, only words are searched,
    and a note says so. `all_copies` shows near-duplicates as hits of their own; hits below `min_strength`, one of
    STRENGTHS, are left out. `towards` is a vector (dimension,) to ask with beside the words, that of a
    picture, and `without` the content that it was taken from, which is no answer. `copies` are contents that show
    the same picture, and `alike` those that look so: they come first where there are no words. `warm` answers in place of the tables, for who asks often.
    `off` are the stages that the settings switch off: an empty answer names them where they are the reason.
    `others` and `towards_others` are as `encoder` and `towards`, for the spaces of other stages, by stage; their encoders
    give zeros for a text that says nothing in their space.
    """
    search_ = _Search(store, question, encoder, others, rank, limit, warm, off)
    search_.look(towards, towards_others, without, copies, alike)
    found = search_.run()
    if not found:
        search_.notes += empty_reasons.reasons(store, question.clauses, off)
    kept = [one for one in found if STRENGTHS.index(one.strength) >= STRENGTHS.index(min_strength)]
    if found and not kept:
        search_.notes.append(
            f"nothing matches well enough: the best answer is {found[0].strength}; `--min-strength weak` shows it"
        )
    elif found and search_.asks and all(one.strength == "weak" for one in found):
        search_.notes.append("nothing matches well; these are the nearest")
    with store.reading():
        return SearchResult(
            describe_hits.describe(store, question, kept, limit=limit, all_copies=all_copies), search_.notes
        )


class _Search:
    """One search: what its steps share."""

    def __init__(
        self,
        store: Store,
        question: ParsedQuery,
        encoder: SpaceEncoder | None,
        others: Mapping[str, SpaceEncoder],
        rank: str,
        limit: int,
        warm: WarmIndex | None,
        off: Collection[str],
    ) -> None:
        self.warm = warm if warm is not None and warm.refresh(store) else None
        self.store, self.question, self.rank, self.limit = store, question, rank, limit
        self.off = off
        self.pool = limit + min(limit * (MORE - 1), MOST_MORE)
        self.notes: list[str] = []
        spaces = store.vectors.active_spaces() if rank != "words" else []
        self.spaces = {space.stage: space for space in spaces}
        self.askers = self._fitting(encoder, others)
        self.towards: dict[str, NDArray[np.float32]] = {}
        self.without: list[int] = []
        self.asks = bool(question.words.strip() or question.negatives)

    def look(
        self,
        towards: NDArray[np.float32] | None,
        towards_others: Mapping[str, NDArray[np.float32]],
        without: int | None,
        copies: Sequence[int] = (),
        alike: Sequence[int] = (),
    ) -> None:
        """Ask with these vectors too, leave this content out, and begin with copies, if there are no words."""
        self.towards = dict(towards_others) | ({} if towards is None else {records.TEXT: towards})
        self.copies = {} if self.asks else dict.fromkeys(copies, SAME) | dict.fromkeys(alike, ALIKE)
        self.asks = self.asks or len(self.towards) > 0 or len(copies) + len(alike) > 0
        self.without = [] if without is None else [without]

    def run(self) -> list[describe_hits.Found]:
        """Everything found, best first: more than `k`, since copies are still to be collapsed."""
        self.notes += self.question.remarks
        self.notes += empty_reasons.unknown_labels(self.store, self.question.clauses, self.off)
        if not self.asks:
            among = self.store.filters.matching(self.question.clauses)
            ids = self.store.filters.newest(among, self.pool)
            return [describe_hits.Found(content, 0.0, None, "strong", ()) for content in ids.tolist()]
        scope = scope_of(self.store, self.question.clauses, self.warm) if self.question.clauses else None
        terms = self._terms() if self.rank != "vector" else []
        queries = self._queries() if self.rank != "words" else []
        pool = self.pool if self.rank == "vector" else max(POOL, self.pool)
        pool *= MORE if self.question.negatives else 1  # of those, some are pushed away
        copies = self._passing(list(self.copies))
        out = np.array([*self.without, *copies], np.int64)
        budget, strict = (BUDGET, False) if not queries else (SHARED_BUDGET, True)

        def worded(count: int) -> Ids:
            passes = scope.passes if scope else None
            return self.store.words.best(terms, count, budget, strict=strict, passes=passes)

        parts = [living(self.store, worded, pool, scope)]
        for query in queries:

            def close(count: int, query: scoring.SpaceQuery = query) -> Ids:
                return closest(self.store, query.space, query.vector, count, scope, self.warm, self.notes)

            parts.append(living(self.store, close, pool + len(out), scope))
        candidates = np.setdiff1d(np.concatenate(parts), out)
        first = [
            describe_hits.Found(content, 1.0, None, "strong", (self.copies[content],)) for content in copies
        ]
        return first + self._scored(candidates, terms, queries)

    def _passing(self, contents: list[int]) -> list[int]:
        """Those that pass the filters, in their order. Asks the tables: a copy may have no vector yet."""
        if not contents or not self.question.clauses:
            return contents
        passing = set(self.store.filters.matching(self.question.clauses).tolist())
        return [content for content in contents if content in passing]

    def _terms(self) -> list[records.Term]:
        """The words to look up: those that carry a picture, or all of them where none does."""
        telling = [term for term in self.question.terms if term.lower().strip(".,;:!?()") not in STOPWORDS]
        # The vector knows what else a sentence means; words alone, or a word or two, need to be told.
        wider = self.rank == "words" or len(telling) <= FEW_TERMS
        found = self.store.words.terms((telling or self.question.terms)[:MOST_TERMS], wider=wider)
        return found[:MOST_TERMS]  # a phrase is many

    def _queries(self) -> list[scoring.SpaceQuery]:
        """Where the question points in each space in which it says something."""
        spaces = [space for stage, space in self.spaces.items() if stage == records.TEXT or space.weight]
        if self.rank == "vector" and records.TEXT in self.spaces:
            spaces = [self.spaces[records.TEXT]]
        vectors = [(space, self._vector(space.stage)) for space in spaces]
        return [self._query(space, vector) for space, vector in vectors if vector is not None]

    def _query(self, space: records.Space, vector: NDArray[np.float32]) -> scoring.SpaceQuery:
        sample = (self.warm.sample if self.warm is not None else score_baseline.sample)(self.store, space)
        return scoring.SpaceQuery(space, vector, sample)

    def _vector(self, stage: str) -> NDArray[np.float32] | None:
        """Where the question points in the space of a stage: its words, more or less of some, away from others.

        Unit norm; None where it says nothing.
        """
        query, encoder = self.towards.get(stage), self.askers.get(stage)
        asked = [(self.question.words, 1.0)] if self.question.words.strip() else []
        asked += [(text, weight - 1.0) for text, weight in self.question.weights]
        asked += [(text, -TURN) for text in self.question.negatives]
        if asked and encoder is not None:
            rows = encoder.vectors([text for text, _ in asked])
            words_ = np.array([weight for _, weight in asked], np.float32) @ rows
            query = words_ if query is None else query + words_
        if query is None:
            return None
        norm = float(np.linalg.norm(query))
        return query / np.float32(norm) if norm > 1e-6 else None

    def _scored(
        self, ids: Ids, terms: list[records.Term], queries: Sequence[scoring.SpaceQuery]
    ) -> list[describe_hits.Found]:
        main = scoring.scored(self.store, ids, terms, queries, self.rank)
        counts = np.ones(len(ids), np.bool_) if queries else main.score > 0
        if self.rank != "vector":  # there, the vector of the question points away from it
            for text in self.question.negatives:
                away = scoring.scored(
                    self.store, ids, self.store.words.terms([text]), self._away(text, queries), self.rank
                )
                main = scoring.pushed(main, away, AWAY, scoring.unit(queries))
        return [
            describe_hits.Found(
                content=int(ids[at]),
                score=float(main.score[at]),
                cosine=None if np.isnan(main.cosine[at]) else float(main.cosine[at]),
                strength=STRENGTHS[main.level[at]],
                matched=tuple(term.text for term, held in zip(terms, main.held[at], strict=True) if held),
            )
            for at in np.lexsort((ids, -main.score)).tolist()[: self.pool]
            if counts[at]
        ]

    def _away(self, text: str, queries: Sequence[scoring.SpaceQuery]) -> list[scoring.SpaceQuery]:
        """A text to push away, in the spaces that are searched."""
        found = []
        for query in queries:
            encoder = self.askers.get(query.space.stage)
            vector = encoder.vectors([text])[0] if encoder is not None else None
            if vector is not None and vector.any():
                found.append(query._replace(vector=vector))
        return found

    def _fitting(
        self, encoder: SpaceEncoder | None, others: Mapping[str, SpaceEncoder]
    ) -> dict[str, SpaceEncoder]:
        """Those encoders whose vectors lie in a space of the index, by stage."""
        if self.rank == "words":
            return {}
        fitting = {
            stage: other
            for stage, other in others.items()
            if stage in self.spaces and self.spaces[stage].identity == other.identity
        }
        if encoder is None:
            return fitting  # who asked without one knows why
        space = self.spaces.get(records.TEXT)
        if space is None:
            if not fitting:
                self.notes.append("only words were searched: no photo has vectors yet")
        elif space.identity != encoder.identity:
            self.notes.append(
                f"only words were searched: the vectors are still those of {space.identity.name}, "
                f"not of {encoder.identity.name}; `imgret index` or the daemon makes them anew"
            )
        else:
            fitting[records.TEXT] = encoder
        return fitting
