"""What the conformance suite has to know of a store engine: where it can put stores, and what it can do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from imgret.store.factory import open_store
from imgret.store.interface import Store

# What not every engine can do. A test that needs one of these is skipped where the engine lacks it.
BACKUP_FILE = "backup_file"  # `backup` writes a file, which `restore` puts in the place of a store
WATCH = "watch"  # `watch_file` notices that another store was put in the place of an open one


@dataclass(frozen=True)
class Engine:
    """One implementation of `imgret.store.interface.Store`."""

    name: str
    new_place: Callable[[Path], str]  # a place without photos; the folder is empty and private to the caller
    abilities: frozenset[str] = frozenset()

    remove: Callable[[str], None] = lambda place: None  # a store that is not needed any more

    share: float = 1.0  # of the examples of long properties that there is time for: a server is slower

    def examples(self, number: int) -> int:
        """How many examples of a long property to try."""
        return max(5, int(number * self.share))

    @contextmanager
    def empty(self) -> Iterator[Store]:
        """An empty store, for one example of a property. It must be sound in the end."""
        with self.connections(1) as (store,):
            yield store
            assert store.documents.check() == []

    @contextmanager
    def connections(self, count: int) -> Iterator[list[Store]]:
        """Several connections to the same store, which is empty."""
        with TemporaryDirectory() as folder:
            place = self.new_place(Path(folder))
            opened = [open_store(place) for _ in range(count)]
            try:
                yield opened
                assert opened[0].problems() == []
            finally:
                for store in opened:
                    store.close()
                self.remove(place)
