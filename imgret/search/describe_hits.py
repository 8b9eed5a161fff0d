"""Turn found contents into hits: with descriptions and explanations, and copies of one picture as one hit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from typing import Any, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from imgret import stage_results
from imgret.photo import STRENGTHS, Facts, Hit
from imgret.search.copy_folding import FoldedCopies
from imgret.search.parse import ParsedQuery
from imgret.store import labels
from imgret.store.clauses import Containing
from imgret.store.interface import Store

IMAGE_MATCHES = "the image"  # why: the image itself matches the query


class Found(Struct, frozen=True):
    """A content and how well it matches, before anything else is read of it."""

    content: int
    score: float
    cosine: float | None
    confidence: float | None  # None, as the strength, if nothing was sought that it could match
    strength: str | None
    matched: tuple[str, ...] = ()  # the query's words that occur in its texts
    image_matches: bool = False  # the image itself matches


def strong_enough(found: Sequence[Found], min_strength: str) -> list[Found]:
    """Those whose strength is at least this one of STRENGTHS, or is not known."""
    least = STRENGTHS.index(min_strength)
    return [one for one in found if one.strength is None or STRENGTHS.index(one.strength) >= least]


def describe(
    store: Store, query: ParsedQuery, found: Sequence[Found], *, limit: int, all_copies: bool
) -> list[Hit]:
    """The first `limit` different pictures of `found`, as hits; with `all_copies` each copy is a hit of its own."""
    hits: list[Hit] = []
    wanted = [clause.filter for clause in query.clauses if not clause.negated]
    parts = [each.text for each in wanted if isinstance(each, Containing)]
    copies: dict[int, list[bytes]] = {}  # by the place of the hit that they are copies of
    for each in _pictures(store, query, found, limit=limit, all_copies=all_copies):
        if each.place is not None:
            copies.setdefault(each.place, []).extend(path for path, _ in each.paths)
            continue
        hit = _hit(store, each, parts)
        for path, online in each.paths if all_copies else each.paths[:1]:
            hits.append(replace(hit, rank=len(hits) + 1, path=path, online=online))
        if not all_copies and len(each.paths) > 1:
            copies.setdefault(len(hits) - 1, []).extend(path for path, _ in each.paths[1:])
    for place, others in copies.items():
        hits[place] = replace(hits[place], other_paths=tuple(others))
    return hits


def count(store: Store, query: ParsedQuery, found: Sequence[Found], *, limit: int, all_copies: bool) -> int:
    """How many hits `describe` returns. Reads no results, except those of shots of the same seconds."""
    pictures = _pictures(store, query, found, limit=limit, all_copies=all_copies)
    return sum((len(each.paths) if all_copies else 1) for each in pictures if each.place is None)


def in_order(hits: list[Hit], sort: str) -> list[Hit]:
    """Sort hits by one of SORTS. Equal ones stay in the order of the search; those without a date come last."""
    if sort == "path":
        return sorted(hits, key=lambda hit: hit.path)
    if sort == "date":
        return sorted(hits, key=lambda hit: (hit.taken_at is None, -(hit.taken_at or 0)))
    return hits


class _Picture(NamedTuple):
    """A content that becomes a hit or belongs to one."""

    one: Found
    facts: Facts | None
    paths: list[tuple[bytes, bool]]  # and whether each is online
    shown: Callable[[], dict[str, Any]]  # reads its results, once
    place: int | None  # of the hit that it is a copy of; None: it is a hit of its own


def _pictures(
    store: Store, query: ParsedQuery, found: Sequence[Found], *, limit: int, all_copies: bool
) -> Iterator[_Picture]:
    """Yield what makes the first `limit` hits, the copies that belong to them included."""
    store.expect([one.content for one in found])
    folded = FoldedCopies(store, () if all_copies else [one.content for one in found])
    hits = 0
    for one in found:
        if hits >= limit and all_copies:
            return
        facts = store.contents.facts(one.content)
        if hits >= limit and not folded.may_hold(one.content, facts):
            continue  # only a copy of a hit would still count, and most are none
        paths = store.filters.showing(query.clauses, one.content)
        if not paths:
            continue
        shown = cache(partial(_shown, store, one.content))
        place = None if all_copies else folded.place(one.content, facts, shown)
        if place is not None:
            folded.add_copy(place, one.content, facts, shown)
        elif hits >= limit:
            continue
        else:
            folded.add_hit(hits, one.content, facts, shown)
            paths = paths[: limit - hits] if all_copies else paths
            hits += len(paths) if all_copies else 1
        yield _Picture(one, facts, paths, shown, place)


def _shown(store: Store, content: int) -> dict[str, Any]:
    return stage_results.shown(stage_results.described(store, content))


def _hit(store: Store, picture: _Picture, parts: Sequence[str]) -> Hit:
    """Build a hit at the first path of a picture. `parts` are those of the text in the image that filters found."""
    one, facts, paths, read, _ = picture
    shown, date = read(), store.contents.date(one.content)
    return Hit(
        rank=0,
        content=one.content,
        path=paths[0][0],
        score=one.score,
        cosine=one.cosine,
        confidence=one.confidence,
        strength=one.strength,
        shown=shown,
        note=store.results.note(one.content),
        taken_at=date.at if date else None,
        taken_precision=date.precision if date else None,
        width=facts.width if facts else None,
        height=facts.height if facts else None,
        online=paths[0][1],
        why=_why(one, shown, parts),
    )


def _why(one: Found, shown: dict[str, Any], parts: Sequence[str]) -> tuple[str, ...]:
    """The matching words, or the reasons that the stages give for them, such as counts of objects; and the image.

    `parts` are those of the text in the image that filters found.
    """
    reasons: list[str] = [IMAGE_MATCHES] if one.image_matches else []
    for part in parts:
        reasons += stage_results.why_contained(shown, part)
    for word in one.matched:
        reasons += stage_results.why(shown, word, labels.matching_labels) or [word]
    return tuple(dict.fromkeys(reasons))
