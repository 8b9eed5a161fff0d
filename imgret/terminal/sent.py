"""Record which images the terminal has in memory, and which to delete: the least recently used first.

Pure bookkeeping. The caller writes the sequences, and must delete all images at the end: a terminal keeps them until it
is closed.
"""

from __future__ import annotations

import itertools
import random
from collections import OrderedDict
from collections.abc import Hashable, Iterator

from msgspec import Struct

_IDS = 1 << 24  # an id is a 24-bit colour
BUDGET = 64 << 20  # bytes of pixels; kitty's own quota is 320 MB for all programs in one window


class Sent(Struct, frozen=True):
    """An image in the terminal: its id, the cells it covers and its size there in bytes."""

    image_id: int
    columns: int
    rows: int
    size: int


class SentImages:
    """The images in the terminal by key, at most `budget` bytes in total; the newest is always kept."""

    def __init__(self, budget: int = BUDGET, first_id: int | None = None) -> None:
        self._sent: OrderedDict[Hashable, Sent] = OrderedDict()
        self._budget = budget
        # A random first id: two programs in one window must not overwrite each other's images.
        self._ids = itertools.count(random.randrange(_IDS) if first_id is None else first_id)
        self.size = 0  # bytes in total

    def __len__(self) -> int:
        return len(self._sent)

    def get(self, key: Hashable) -> Sent | None:
        """Return the image with this key, and mark it as used; None if there is none."""
        found = self._sent.get(key)
        if found is not None:
            self._sent.move_to_end(key)
        return found

    def __iter__(self) -> Iterator[Hashable]:
        """Iterate over the keys, the least recently used first."""
        return iter(self._sent)

    def new_id(self) -> int:
        """Return an unused id; may be called from any thread."""
        return next(self._ids) % (_IDS - 1) + 1

    def add(self, key: Hashable, sent: Sent) -> list[int]:
        """Record an image that is about to be sent. Return the ids of the images to delete to stay in the budget."""
        freed = self.remove(key)
        self._sent[key] = sent
        self.size += sent.size
        while self.size > self._budget and len(self._sent) > 1:
            _, oldest = self._sent.popitem(last=False)
            self.size -= oldest.size
            freed.append(oldest.image_id)
        return freed

    def remove(self, key: Hashable) -> list[int]:
        """Remove one image from the record. Return the ids to delete (none if the key is unknown)."""
        found = self._sent.pop(key, None)
        if found is None:
            return []
        self.size -= found.size
        return [found.image_id]

    def clear(self) -> list[int]:
        """Remove all images from the record. Return the ids to delete."""
        ids = [sent.image_id for sent in self._sent.values()]
        self._sent.clear()
        self.size = 0
        return ids
