"""Turn found contents into hits: with descriptions and explanations, and copies of one picture as one hit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from imgret import stage_results
from imgret.photo import Facts, Hit
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


def describe(
    store: Store, query: ParsedQuery, found: Sequence[Found], *, limit: int, all_copies: bool
) -> list[Hit]:
    """The first `limit` different pictures of `found`, as hits; with `all_copies` each copy is a hit of its own."""
    store.expect([one.content for one in found])
    hits: list[Hit] = []
    wanted = [clause.filter for clause in query.clauses if not clause.negated]
    parts = [each.text for each in wanted if isinstance(each, Containing)]
    copies: dict[int, list[bytes]] = {}  # by the place of the hit that they are copies of
    folded = FoldedCopies(store, () if all_copies else [one.content for one in found])
    for one in found:
        if len(hits) >= limit and all_copies:
            break
        facts = store.contents.facts(one.content)
        if len(hits) >= limit and not folded.may_hold(one.content, facts):
            continue  # only a copy of a hit would still count, and most are none
        paths = store.filters.showing(query.clauses, one.content)
        if not paths:
            continue
        shown = stage_results.shown(stage_results.described(store, one.content))
        place = None if all_copies else folded.place(one.content, facts, shown)
        if place is not None:
            folded.add_copy(place, one.content, facts, shown)
            copies.setdefault(place, []).extend(path for path, _ in paths)
        elif len(hits) < limit:
            folded.add_hit(len(hits), one.content, facts, shown)
            hit = _hit(store, one, facts, shown, paths[0], parts)
            for path, online in (paths if all_copies else paths[:1])[: limit - len(hits)]:
                hits.append(replace(hit, rank=len(hits) + 1, path=path, online=online))
            if not all_copies and len(paths) > 1:
                copies.setdefault(len(hits) - 1, []).extend(path for path, _ in paths[1:])
    for place, others in copies.items():
        hits[place] = replace(hits[place], other_paths=tuple(others))
    return hits


def _hit(
    store: Store,
    one: Found,
    facts: Facts | None,
    shown: dict[str, Any],
    at: tuple[bytes, bool],
    parts: Sequence[str],
) -> Hit:
    date = store.contents.date(one.content)
    return Hit(
        rank=0,
        content=one.content,
        path=at[0],
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
        online=at[1],
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
