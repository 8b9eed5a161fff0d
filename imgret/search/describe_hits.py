"""What was found, as hits: described, explained, and copies of one picture collapsed into one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from imgret import stage_results
from imgret.photo import Facts, Hit
from imgret.search.parse import ParsedQuery
from imgret.store import labels
from imgret.store.interface import Store

IMAGE_MATCHES = "the image"  # why: the image itself matches the query
BURST = 5  # seconds between two shots of one scene


class Found(Struct, frozen=True):
    """A content and how well it matches, before anything else is read of it."""

    content: int
    score: float
    cosine: float | None
    confidence: float
    strength: str
    matched: tuple[str, ...] = ()  # the query's words that occur in its texts
    seen: bool = False  # the image itself matches


def describe(
    store: Store, question: ParsedQuery, found: Sequence[Found], *, limit: int, all_copies: bool
) -> list[Hit]:
    """The first `limit` different pictures of `found`, as hits; with `all_copies` each copy is a hit of its own."""
    hits: list[Hit] = []
    copies: dict[int, list[bytes]] = {}  # by the place of the hit that they are copies of
    seen = _Seen(store)
    for one in found:
        if len(hits) >= limit and all_copies:
            break
        facts = store.contents.facts(one.content)
        if len(hits) >= limit and not seen.may_hold(one.content, facts):
            continue  # it could only be a copy of a hit: most are none, and need not be read whole to tell
        paths = store.filters.showing(question.clauses, one.content)
        if not paths:
            continue
        shown = stage_results.shown(stage_results.payloads(store, one.content))
        place = None if all_copies else seen.place(one.content, facts, shown)
        if place is not None:
            seen.keep(place, one.content, facts, shown)
            copies.setdefault(place, []).extend(path for path, _ in paths)
        elif len(hits) < limit:
            seen.keep(len(hits), one.content, facts, shown)
            hit = _hit(store, one, facts, shown, paths[0])
            for path, online in (paths if all_copies else paths[:1])[: limit - len(hits)]:
                hits.append(replace(hit, rank=len(hits) + 1, path=path, online=online))
            if not all_copies and len(paths) > 1:
                copies.setdefault(len(hits) - 1, []).extend(path for path, _ in paths[1:])
    for place, others in copies.items():
        hits[place] = replace(hits[place], other_paths=tuple(others))
    return hits


def _hit(store: Store, one: Found, facts: Facts | None, shown: dict[str, Any], at: tuple[bytes, bool]) -> Hit:
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
        taken_at=facts.taken_at if facts else None,
        width=facts.width if facts else None,
        height=facts.height if facts else None,
        online=at[1],
        why=_why(one, shown),
    )


_Look = tuple[str | None, str | None, tuple[tuple[str, int], ...]]  # camera, caption, objects


class _Seen:
    """The pictures that are hits already, to tell what differs in nothing a person would look for."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._pixels: dict[bytes, int] = {}
        self._seconds: set[int] = set()  # in which any of them was shot
        # The first shot of a look within a second: how many came before it, and the place of its hit.
        self._shots: dict[tuple[int, _Look], tuple[int, int]] = {}

    def may_hold(self, content: int, facts: Facts | None) -> bool:
        """Whether this can be one of them at all, by its pixels or its time."""
        return self._hash(content) in self._pixels or not self._seconds.isdisjoint(_around(facts))

    def place(self, content: int, facts: Facts | None, shown: dict[str, Any]) -> int | None:
        """The hit that shows the same pixels, or the same scene shot within seconds by the same camera."""
        place = self._pixels.get(self._hash(content))
        if place is None and facts is not None and (shown["caption"] or shown["objects"]):
            look = _look(facts, shown)
            shots = [self._shots[second, look] for second in _around(facts) if (second, look) in self._shots]
            return min(shots)[1] if shots else None
        return place

    def keep(self, place: int, content: int, facts: Facts | None, shown: dict[str, Any]) -> None:
        """This content is the hit at `place`."""
        self._pixels[self._hash(content)] = place
        if facts is not None and facts.taken_at is not None:
            self._seconds.add(facts.taken_at)
            shot = facts.taken_at, _look(facts, shown)
            self._shots.setdefault(shot, (len(self._shots), place))

    def _hash(self, content: int) -> bytes:
        return self._store.results.pixels(content) or b"%d" % content


def _around(facts: Facts | None) -> range:
    """The seconds in which the other shots of a burst lie; none for a photo without a time."""
    if facts is None or facts.taken_at is None:
        return range(0)
    return range(facts.taken_at - BURST, facts.taken_at + BURST + 1)


def _look(facts: Facts, shown: dict[str, Any]) -> _Look:
    return facts.camera, shown["caption"], tuple(sorted(shown["objects"].items()))


def _why(one: Found, shown: dict[str, Any]) -> tuple[str, ...]:
    """The matching words, or what the stages say of them: the counts of objects, for one; and the image."""
    said: list[str] = [IMAGE_MATCHES] if one.seen else []
    for word in one.matched:
        said += stage_results.why(shown, word, labels.matching_labels) or [word]
    return tuple(dict.fromkeys(said))
