"""Photos with the same pixels in one run: the first is described, the others take its results once they are saved.

Copies that differ only in their metadata usually have the same date and name, so they are decoded shortly after each other.
"""

from __future__ import annotations

from imgret.pipeline.jobs import Draft


class SamePixels:
    """The pixels that are being described, by their hashes, and the photos that wait for them."""

    def __init__(self) -> None:
        self._waiting: dict[bytes, list[Draft]] = {}
        self.count = 0  # of photos that wait

    def waits(self, draft: Draft) -> bool:
        """Return whether a photo with the same pixels is being described, for which this one now waits.

        If not, it is the first itself, and others wait for it.
        """
        assert draft.pixel_hash is not None
        others = self._waiting.get(draft.pixel_hash)
        if others is None:
            self._waiting[draft.pixel_hash] = []
            return False
        others.append(draft)
        self.count += 1
        return True

    def saved(self, pixel_hash: bytes | None) -> list[Draft]:
        """Return the photos that waited for these pixels, which are saved now."""
        found = self._waiting.pop(pixel_hash, []) if pixel_hash is not None else []
        self.count -= len(found)
        return found
