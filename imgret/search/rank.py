"""From a parsed query to hits: filters, candidates, one weighted sum, explanations.

Candidates are the nearest vectors of each space and the best documents of the words index. All views of these few
hundred contents are then scored exactly. Filters apply inside the search, never after it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from imgret.photo import STRENGTHS, Hit
from imgret.search import confidence, describe_hits, empty_reasons, scoring
from imgret.search.candidates import Ids, closest, living, scope_of
from imgret.search.describe_hits import Found
from imgret.search.parse import ParsedQuery
from imgret.search.scoring import KnownWords, Scored, ScoredStore, SpaceQuery
from imgret.search.shortlist import shortlist
from imgret.search.space_queries import (
    SpaceEncoder,
    Spaces,
    Vector,
    negative_queries,
    space_queries,
    usable_spaces,
)
from imgret.search.stopwords import STOPWORDS
from imgret.search.warm_index import WarmIndex
from imgret.store.interface import Store
from imgret.store.records import IMAGE, TEXT, Space, Term

POOL = 80  # candidates from each source; all their views are scored exactly
MORE = 4  # candidates for each hit: codes are approximate, and copies are folded into one hit
MOST_MORE = 10_000  # ... but at most so many more than hits, because the limit may be a whole library
BUDGET = 20_000  # documents that may be read for the candidates of the words
SHARED_BUDGET = 5_000  # ... if vectors find candidates as well
MOST_TERMS = 64
FEW_TERMS = 2
SAME = "the same picture"  # the explanation of a copy
ALIKE = "looks the same"  # of a re-encoded, resized or rotated copy
PENALTY = 1.0  # how much of a match with a text of `--not` is subtracted from the score


class SearchResult(Struct, frozen=True):
    """The hits, best first, and sentences about the search for stderr."""

    hits: list[Hit]
    notes: list[str]
    count: int  # of the hits, also if they were counted only


@dataclass(frozen=True)
class _Request:
    """One search, with everything that its steps need."""

    store: Store
    query: ParsedQuery
    rank: str
    sort: str
    limit: int
    spaces: Spaces
    copies: Mapping[int, str]  # contents that come first -> why
    excluded: tuple[int, ...]  # contents that are no hits
    warm: WarmIndex | None
    # There are words, negatives or a picture; otherwise all that passes the filters is listed.
    has_query: bool
    only_negatives: bool  # all that passes the filters is a hit, the least similar first
    damaged: dict[Space, str]  # to which spaces with a damaged table of nearest vectors are added

    @property
    def pool(self) -> int:
        """How many candidates to keep: more than `limit`, because copies are folded later."""
        return self.limit + min(self.limit * (MORE - 1), MOST_MORE)


def search(
    store: Store,
    query: ParsedQuery,
    encoder: SpaceEncoder | None,
    *,
    rank: str = "hybrid",
    sort: str = "score",
    limit: int = 20,
    all_copies: bool = False,
    min_strength: str = "weak",
    towards: Vector | None = None,
    without: int | None = None,
    copies: Sequence[int] = (),
    alike: Sequence[int] = (),
    warm: WarmIndex | None = None,
    off: Collection[str] = (),
    others: Mapping[str, SpaceEncoder] = MappingProxyType({}),
    towards_others: Mapping[str, Vector] = MappingProxyType({}),
    count_only: bool = False,
) -> SearchResult:
    """Return the `limit` best hits; with `count_only` their number alone, without a hit.

    - `sort` is one of SORTS: the best hits are chosen first, and then sorted. Without words or a picture all that passes
      the filters matches equally; then `sort` chooses the hits, too, and `score` means `date`.
    - `rank` is one of RANKS: `vector` is the cosine of the baseline recipe's passage alone, `image` that of the image
      alone, `words` is BM25 alone.
    - `encoder` encodes the words for the space of texts. Without it, or if another model made the vectors of the
      index, only words are searched, and a note reports it. `others` are the encoders of further spaces, by stage.
    - `all_copies` shows near-duplicates as hits of their own. Hits below `min_strength`, one of STRENGTHS, are left out.
    - `towards` and `towards_others` are the vectors (dimension,) of a picture to search with, and `without` the content
      they belong to, which is no hit. `copies` are contents with the same picture and `alike` similar ones; they come
      first if the query has no words.
    - `warm` has the vectors in memory; without it the tables are read.
    - `off` are the stages that are switched off: if there is no hit, a note names them where they are the reason.
    """
    damaged: dict[Space, str] = {}
    has_words = bool(query.words.strip() or query.negatives)
    has_picture = (towards is not None and rank != "image") or bool(towards_others or copies or alike)
    with store.reading():
        vectors = dict(towards_others) | ({TEXT: towards} if towards is not None and rank != "image" else {})
        spaces, notes = usable_spaces(store, encoder, others, vectors, rank)
        request = _Request(
            store=store,
            query=query,
            rank=rank,
            sort=sort,
            limit=limit,
            spaces=spaces,
            copies={} if has_words else dict.fromkeys(copies, SAME) | dict.fromkeys(alike, ALIKE),
            excluded=() if without is None else (without,),
            warm=warm if warm is not None and warm.refresh(store) else None,
            has_query=has_words or has_picture,
            only_negatives=has_words and not query.words.strip() and not has_picture,
            damaged=damaged,
        )
        notes += [*query.remarks, *empty_reasons.unknown_labels(store, query.clauses, off)]
        found = _search(request) if request.has_query else _listed(request)
        if not found:
            notes += empty_reasons.reasons(store, query.clauses, off)
        kept = describe_hits.strong_enough(found, min_strength)
        if request.has_query:
            notes += empty_reasons.nothing_strong([one.strength for one in found], kept=len(kept))
        hits: list[Hit] = []
        if count_only:
            count = describe_hits.count(store, query, kept, limit=limit, all_copies=all_copies)
        else:
            hits = describe_hits.describe(store, query, kept, limit=limit, all_copies=all_copies)
            count = len(hits)
    for space, damage in damaged.items() if store.writable else ():
        store.nearest.rebuild(space)
        notes.append(f"the table of nearest vectors was rebuilt: {damage}")
    return SearchResult(describe_hits.in_order(hits, sort), notes, count)


def _listed(request: _Request) -> list[Found]:
    """Everything that passes the filters, the newest or the first by path first."""
    filters, clauses = request.store.filters, request.query.clauses
    if request.sort == "path":
        ids = filters.first_by_path(clauses, request.pool)
    else:
        ids = filters.newest(filters.matching(clauses), request.pool)
    return [Found(content, 0.0, None, None, None) for content in ids.tolist()]


def _search(request: _Request) -> list[Found]:
    """The copies, then the scored candidates, best first."""
    store, query = request.store, request.query
    terms, queries = terms_and_queries(store, store.words, query, request.spaces, request.warm, request.rank)
    copies = _passing(request, list(request.copies))
    out = {*request.excluded, *copies}
    found = set(_candidates(request, terms, queries, len(out)).tolist())
    if request.only_negatives:  # also photos without vectors
        found |= set(store.filters.newest(store.filters.matching(query.clauses), request.pool).tolist())
    candidates = np.array(sorted(found - out), np.int64)
    rest = _scored(request, candidates, terms, queries)
    best = max([1.0, *(one.score for one in rest)])  # copies come first, whatever the score of others
    first = [Found(content, best, None, 1.0, "strong", (request.copies[content],)) for content in copies]
    return first + rest


def _candidates(request: _Request, terms: list[Term], queries: Sequence[SpaceQuery], extra: int) -> Ids:
    """The contents to score: the best by words, and `extra` more than those from each space."""
    store, query, warm = request.store, request.query, request.warm
    scope = scope_of(store, query.clauses, warm) if query.clauses else None
    pool = max(POOL, request.pool)
    pool *= MORE if query.negatives else 1  # some of them rank lower because of the negatives
    budget, strict = (BUDGET, False) if not queries else (SHARED_BUDGET, True)

    def by_words(count: int) -> Ids:
        passes = scope.passes if scope else None
        return store.words.best(terms, count, budget, strict=strict, passes=passes)

    parts = [living(store, by_words, pool, scope)]
    is_coded = warm is not None and all(memory.is_coded for memory in warm.memories.values())
    if warm is not None and len(queries) > 1:

        def together(count: int) -> Ids:
            return shortlist(
                warm,
                queries,
                count,
                scope.mask if scope else None,
                living=None if scope else store.filters.living,
            )

        # Codes of all views are nearly exact; those of the leading views alone are not.
        wanted = pool if is_coded else 2 * pool
        parts.append(living(store, together, wanted + extra, scope))
        return np.concatenate(parts)
    if request.rank in ("vector", "image"):
        # One view is scored, so more of what is found nearest are affordable; in codes, other views count as well.
        pool *= 2 * MORE if is_coded else MORE
    for each in queries:

        def nearest(count: int, each: SpaceQuery = each) -> Ids:
            return closest(store, each.space, each.vector, count, scope, warm, request.damaged)

        # The codes in the table cover only the leading view of one space: the best of all spaces may be far down.
        further = len(queries) > 1 and store.nearest.projection(each.space) is not None
        parts.append(living(store, nearest, (MORE * pool if further else pool) + extra, scope))
    return np.concatenate(parts)


def _passing(request: _Request, contents: list[int]) -> list[int]:
    """Those that pass the filters, in order. Reads the tables, because a copy may have no vector yet."""
    if not contents or not request.query.clauses:
        return contents
    passing = set(request.store.filters.matching(request.query.clauses).tolist())
    return [content for content in contents if content in passing]


def terms_and_queries(
    store: Store, words: KnownWords, query: ParsedQuery, spaces: Spaces, warm: WarmIndex | None, rank: str
) -> tuple[list[Term], list[SpaceQuery]]:
    """Return the words to look up and the vectors to compare for a ranking, one of RANKS."""
    only = {"vector": TEXT, "image": IMAGE}.get(rank)
    queries = space_queries(store, query, spaces, warm, only=only) if rank != "words" else []
    return [] if only is not None and queries else _terms(words, query, rank), queries


def _terms(words: KnownWords, query: ParsedQuery, rank: str) -> list[Term]:
    """The words to look up: those that are no stopwords, or all if there are no others."""
    given = query.terms
    content_words = [term for term in given if term.lower().strip(".,;:!?()") not in STOPWORDS]
    # The vector of a sentence covers synonyms; a search by words, or for one or two words, needs them looked up.
    wider = rank == "words" or len(content_words) <= FEW_TERMS
    found = words.terms((content_words or given)[:MOST_TERMS], wider=wider)
    return found[:MOST_TERMS]  # a phrase is several words


def score(
    store: ScoredStore,
    query: ParsedQuery,
    spaces: Spaces,
    ids: Ids,
    terms: Sequence[Term],
    queries: Sequence[SpaceQuery],
    rank: str,
) -> tuple[Scored, NDArray[np.bool_]]:
    """Score candidates, negatives included. Return the scores, and which candidates are hits: (candidates,)."""
    main = scoring.scored(store, ids, terms, queries, rank)
    only_negatives = bool(query.negatives) and not query.words.strip()
    matches = np.ones(len(ids), np.bool_) if queries or only_negatives else main.score > 0
    # With `vector` and `image`, the query vector itself points away from the negatives.
    if terms or not queries or rank not in ("vector", "image"):
        for text in query.negatives:
            negative = negative_queries(text, spaces, queries)
            found = scoring.scored(store, ids, store.words.terms([text]), negative, rank)
            main = scoring.pushed(main, found, PENALTY, words_only=not queries)
    return main, matches


def _scored(
    request: _Request, ids: NDArray[np.int64], terms: list[Term], queries: Sequence[SpaceQuery]
) -> list[Found]:
    main, matches = score(request.store, request.query, request.spaces, ids, terms, queries, request.rank)
    level = confidence.levels(main.confidence)
    rated = not request.only_negatives  # being unlike something is no match
    return [
        Found(
            content=int(ids[at]),
            score=float(main.score[at]),
            cosine=None if np.isnan(main.cosine[at]) else float(main.cosine[at]),
            confidence=float(main.confidence[at]) if rated else None,
            strength=STRENGTHS[level[at]] if rated else None,
            image_matches=bool(main.image_matches[at]),
            matched=tuple(term.text for term, held in zip(terms, main.held[at], strict=True) if held),
        )
        for at in np.lexsort((ids, -main.score)).tolist()[: request.pool]
        if matches[at]
    ]
