"""Which hits show a picture that is a hit already: a copy, a near-duplicate, or another shot of a burst.

All hits are compared at once when the first one is built, at a cost that grows little faster than their number.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imgret.decode.edit_detection import DAY, same_shot
from imgret.photo import Facts
from imgret.search import looks
from imgret.search.copy_traits import BURST_COSINE, BURST_GAP
from imgret.search.near_pairs import near_pairs
from imgret.store.interface import Store

SAME_WORDS_GAP = 5  # seconds between two shots with equal captions and counts
ALL_PAIRS = 1_024  # hits up to which all pairs are compared: 30 ms
MOST_SHOTS = 8  # hits of one camera and second that a shot is compared with

Ids = NDArray[np.int64]
Shown = Callable[[], Mapping[str, Any]]  # reads the JSON of a photo; called only where another shot is near
_Words = tuple[str | None, str | None, tuple[tuple[str, int], ...]]  # camera, caption, objects


class FoldedCopies:
    """The pictures that are hits already, by the place of the hit."""

    def __init__(self, store: Store, contents: Sequence[int]) -> None:
        """`contents` are those that may become hits or copies of one, the best first."""
        self._store = store
        self._pixels: dict[bytes, int] = {}
        self._seconds: set[int] = set()  # in which any of them was shot
        self._timed = 0  # how many there are with a time
        # Of a second: how many came before each, the place of its hit, and what its words are read from.
        self._unread: dict[int, list[tuple[int, int, Facts, Shown]]] = {}
        # The first shot with these words within a second: how many came before it, and the place of its hit.
        self._shots: dict[tuple[int, _Words], tuple[int, int]] = {}
        self._hits: dict[int, tuple[int, Facts | None]] = {}  # by content; its place and facts
        self._by_second: dict[tuple[int, str], list[int]] = {}  # contents of hits by second and camera
        self._vectors, self._alike = _compared(store, contents)

    def may_hold(self, content: int, facts: Facts | None) -> bool:
        """Whether this can be one of them, by its pixels, its perceptual hash or its time."""
        return (
            self._hash(content) in self._pixels
            or any(other in self._hits for other in self._alike.get(content, ()))
            or not self._seconds.isdisjoint(_around(facts, SAME_WORDS_GAP))
        )

    def place(self, content: int, facts: Facts | None, shown: Shown) -> int | None:
        """The hit that shows the same picture, or the same scene shot within seconds by the same camera."""
        place = self._pixels.get(self._hash(content))
        if place is None:
            place = self._near_duplicate(content, facts)
        if place is None:
            place = self._same_words(facts, shown)
        return place if place is not None else self._burst(content, facts)

    def add_hit(self, place: int, content: int, facts: Facts | None, shown: Shown) -> None:
        """Record that this content is the hit at `place`."""
        self._hits[content] = place, facts
        if _is_timed(facts):
            self._by_second.setdefault((facts.taken_at, facts.camera), []).append(content)  # type: ignore[union-attr,arg-type]
        self.add_copy(place, content, facts, shown)

    def add_copy(self, place: int, content: int, facts: Facts | None, shown: Shown) -> None:
        """Record that this content is the same picture as the hit at `place`, or another shot of its burst."""
        self._pixels[self._hash(content)] = place
        if facts is not None and facts.taken_at is not None:
            self._seconds.add(facts.taken_at)
            self._unread.setdefault(facts.taken_at, []).append((self._timed, place, facts, shown))
            self._timed += 1

    def _same_words(self, facts: Facts | None, shown: Shown) -> int | None:
        """The hit of the first shot within seconds that has the same camera, caption and counts."""
        seconds = [second for second in _around(facts, SAME_WORDS_GAP) if second in self._seconds]
        if facts is None or not seconds:
            return None
        words = _words(facts, shown())
        if not (words[1] or words[2]):
            return None
        for second in seconds:
            for number, place, other, read in self._unread.pop(second, ()):
                self._shots.setdefault((second, _words(other, read())), (number, place))
        shots = [self._shots[second, words] for second in seconds if (second, words) in self._shots]
        return min(shots)[1] if shots else None

    def _near_duplicate(self, content: int, facts: Facts | None) -> int | None:
        """Compared with hits alone, not with their copies: a series that changes slowly is not one hit."""
        for other in self._alike.get(content, ()):
            if other in self._hits:
                place, known = self._hits[other]
                if facts is None or known is None or same_shot(facts, known) is not False:
                    return place
        return None

    def _burst(self, content: int, facts: Facts | None) -> int | None:
        vector = self._vectors.get(content)
        if facts is None or vector is None or not _is_timed(facts):
            return None
        for second in _around(facts, BURST_GAP):
            for other in self._by_second.get((second, facts.camera or ""), ())[:MOST_SHOTS]:
                if other in self._vectors and float(vector @ self._vectors[other]) >= BURST_COSINE:
                    return self._hits[other][0]
        return None

    def _hash(self, content: int) -> bytes:
        return self._store.results.pixels(content) or b"%d" % content


def _compared(store: Store, contents: Sequence[int]) -> tuple[dict[int, looks.Floats], dict[int, list[int]]]:
    """The signature of each content as a unit vector, and the better contents that look the same."""
    if len(contents) < 2:
        return {}, {}
    wanted = np.array(contents, np.int64)
    found = store.signatures.of(wanted)
    found = looks.chosen(found, _in_order(found.contents, wanted))
    pairs = near_pairs(
        found, looks.COPY, lambda better, _: np.ones(len(better), np.bool_), all_up_to=ALL_PAIRS
    )
    alike: dict[int, list[int]] = {}
    for better, worse in zip(
        found.contents[pairs.better].tolist(), found.contents[pairs.worse].tolist(), strict=True
    ):
        alike.setdefault(worse, []).append(better)
    return dict(zip(found.contents.tolist(), looks.unit(found.signatures), strict=True)), alike


def _in_order(found: Ids, wanted: Ids) -> Ids:
    """The places of `wanted` in `found`, which is ascending, without those that are not there."""
    places = np.searchsorted(found, wanted)
    there = places < len(found)
    there[there] = found[places[there]] == wanted[there]
    return places[there]


def _around(facts: Facts | None, gap: int) -> range:
    """The seconds of the other shots of a burst; empty for a photo without a time."""
    if facts is None or facts.taken_at is None:
        return range(0)
    return range(facts.taken_at - gap, facts.taken_at + gap + 1)


def _is_timed(facts: Facts | None) -> bool:
    """Whether the camera and the second are known; midnight means a date alone."""
    return bool(facts and facts.camera and facts.taken_at is not None and facts.taken_at % DAY)


def _words(facts: Facts, shown: Mapping[str, Any]) -> _Words:
    return facts.camera, shown["caption"], tuple(sorted(shown["objects"].items()))
