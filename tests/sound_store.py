"""A store that must be in order when a test ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from imgret.store.factory import open_store
from imgret.store.interface import Store


@contextmanager
def sound_store(place: str) -> Iterator[Store]:
    """Open the store at a place, and check it at the end."""
    with open_store(place) as opened:
        yield opened
        assert opened.problems() == []
        assert opened.documents.check() == []
