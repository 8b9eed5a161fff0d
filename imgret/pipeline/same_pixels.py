"""Photos with the same pixels in one run: the first is described, the others take its results once they are saved.

Copies that differ only in their metadata usually have the same date and name, so they are decoded shortly after each other.
"""

from __future__ import annotations

from collections.abc import Iterable

from imgret.pipeline.jobs import Draft


class SamePixels:
    """The photos that are being described, by their keys and their pixels, and those that wait for them."""

    def __init__(self) -> None:
        self._described: dict[int, bytes] = {}  # pixel hashes by key
        self._waiting: dict[bytes, list[Draft]] = {}  # by pixel hash
        self.count = 0  # of photos that wait

    def waits(self, draft: Draft) -> bool:
        """Return whether another photo with the same pixels is being described, for which this one now waits.

        If not, it is the first itself, and others wait for it.
        """
        assert draft.pixel_hash is not None
        if draft.job.key in self._described:
            return False
        others = self._waiting.get(draft.pixel_hash)
        if others is None:
            self.describe(draft, [])
            return False
        others.append(draft)
        self.count += 1
        return True

    def describe(self, draft: Draft, others: Iterable[Draft]) -> None:
        """Let `others` and later ones wait for a photo, for whose pixels none waits yet."""
        assert draft.pixel_hash is not None
        self._described[draft.job.key] = draft.pixel_hash
        self._waiting[draft.pixel_hash] = waiting = list(others)
        self.count += len(waiting)

    def saved(self, key: int) -> list[Draft]:
        """Return the photos that waited for this one, which is saved now."""
        pixels = self._described.pop(key, None)
        found = self._waiting.pop(pixels) if pixels is not None else []
        self.count -= len(found)
        return found
