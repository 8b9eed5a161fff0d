"""The space of the text vectors, for tests that look into it."""

from __future__ import annotations

from imgret.search.fuse import VIEWS as VIEWS
from imgret.store.interface import Store
from imgret.store.records import Space


def text_space(store: Store) -> Space:
    """The one that is searched; there must be vectors."""
    space = store.vectors.active_space()
    assert space is not None
    return space


def table(store: Store) -> str:
    """The name of its nearest-neighbour table."""
    ((name,),) = store.rows("SELECT nearest FROM space WHERE active")  # type: ignore[attr-defined]
    return str(name)
