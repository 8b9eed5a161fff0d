"""Photos with the same pixels in one run: the first is described, the others take its results once they are saved.

Copies that differ only in their metadata usually have the same date and name, so they are decoded shortly after each other.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from imgret.pipeline.jobs import Draft


@dataclass
class _Copies:
    """A photo that is being described, and those that wait for it."""

    first: Draft
    others: list[Draft]

    def raise_first(self) -> None:
        """Give the first at least the precedence of those that wait for it."""
        self.first.precedence = max(draft.precedence for draft in (self.first, *self.others))


class SamePixels:
    """The photos that are being described, and those that wait for them. The first takes over the highest precedence."""

    def __init__(self) -> None:
        self._described: dict[int, bytes] = {}  # pixel hashes by key
        self._copies: dict[bytes, _Copies] = {}  # by pixel hash
        self.count = 0  # of photos that wait

    def waits(self, draft: Draft) -> bool:
        """Return whether another photo with the same pixels is being described, for which this one now waits.

        If not, it is the first itself, and others wait for it.
        """
        assert draft.pixel_hash is not None
        if draft.job.key in self._described:  # it waited itself, and was decoded again
            copies = self._copies[self._described[draft.job.key]]
            copies.first = draft
            copies.raise_first()
            return False
        known = self._copies.get(draft.pixel_hash)
        if known is None:
            self.describe(draft, [])
            return False
        known.others.append(draft)
        known.raise_first()
        self.count += 1
        return True

    def describe(self, draft: Draft, others: Iterable[Draft]) -> None:
        """Let `others` and later ones wait for a photo, for whose pixels none waits yet."""
        assert draft.pixel_hash is not None
        self._described[draft.job.key] = draft.pixel_hash
        self._copies[draft.pixel_hash] = copies = _Copies(draft, list(others))
        copies.raise_first()
        self.count += len(copies.others)

    def raise_firsts(self) -> None:
        """Adjust the precedence of those for which others wait, after that of some was raised."""
        for copies in self._copies.values():
            copies.raise_first()

    def saved(self, key: int) -> list[Draft]:
        """Return the photos that waited for this one, which is saved now."""
        pixels = self._described.pop(key, None)
        found = self._copies.pop(pixels).others if pixels is not None else []
        self.count -= len(found)
        return found
