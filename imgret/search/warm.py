"""What a process that answers many questions keeps between them."""

from __future__ import annotations

from imgret.index.connection import Index
from imgret.index.memory import Memory
from imgret.search import background

GROWN = 1.05  # the sample is taken again when the library is this many times larger


class Warm:
    """The vectors in memory, and the sample that strengths are measured against. Belongs to one thread.

    Made by any thread with its own `Index`; `rank.search` uses it in place of the tables.
    """

    def __init__(self, index: Index) -> None:
        """Load everything: seconds for a million photos."""
        self.memory = Memory(index)
        self._sample: background.Sample | None = None
        self._sampled = 0

    def sample(self, index: Index) -> background.Sample:
        """The library's sample, a recent one."""
        size = len(self.memory)
        if self._sample is None or size > self._sampled * GROWN or size < self._sampled:
            self._sample, self._sampled = background.sample(index), size
        return self._sample
