"""What the terminal holds of us: the pictures sent to it, the least recently used leaving first.

Pure bookkeeping. The owner writes what it is told to write, and frees everything when it ends, since
a terminal keeps pictures until it is closed.
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
    """A picture in the terminal: its id, the cells it covers and the bytes it takes there."""

    image_id: int
    columns: int
    rows: int
    size: int


class SentPictures:
    """The pictures in the terminal by key, at most `budget` bytes of them; the newest always stays."""

    def __init__(self, budget: int = BUDGET, first_id: int | None = None) -> None:
        self._sent: OrderedDict[Hashable, Sent] = OrderedDict()
        self._budget = budget
        # A random beginning, so that two programs in one window do not overwrite each other's pictures.
        self._ids = itertools.count(random.randrange(_IDS) if first_id is None else first_id)
        self.size = 0  # bytes held

    def __len__(self) -> int:
        return len(self._sent)

    def get(self, key: Hashable) -> Sent | None:
        """The picture sent under `key`, which counts as a use of it."""
        found = self._sent.get(key)
        if found is not None:
            self._sent.move_to_end(key)
        return found

    def __iter__(self) -> Iterator[Hashable]:
        """The keys, the least recently used first."""
        return iter(self._sent)

    def new_id(self) -> int:
        """An id that no picture of ours has; may be called on any thread."""
        return next(self._ids) % (_IDS - 1) + 1

    def add(self, key: Hashable, sent: Sent) -> list[int]:
        """Note a picture that is about to be sent. Return the ids to delete to make room."""
        freed = self.remove(key)
        self._sent[key] = sent
        self.size += sent.size
        while self.size > self._budget and len(self._sent) > 1:
            _, oldest = self._sent.popitem(last=False)
            self.size -= oldest.size
            freed.append(oldest.image_id)
        return freed

    def remove(self, key: Hashable) -> list[int]:
        """Forget one picture; the ids to delete (none if it was not there)."""
        found = self._sent.pop(key, None)
        if found is None:
            return []
        self.size -= found.size
        return [found.image_id]

    def clear(self) -> list[int]:
        """Forget all; the ids to delete."""
        ids = [sent.image_id for sent in self._sent.values()]
        self._sent.clear()
        self.size = 0
        return ids
