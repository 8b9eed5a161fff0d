"""Copy everything of one store to another, empty one, of any engine, and compare the two.

The copy is one transaction: if it is interrupted, the target stays empty. What is derived (words, nearest neighbours)
is made anew by the caller.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING

from imgret.errors import IndexProblem
from imgret.store.table_rows import TABLES, Row

if TYPE_CHECKING:
    from imgret.store.interface import Store

Progress = Callable[[int, int], None]  # (rows done, rows in all)
SETTINGS = ("requests", "waiting")  # those of the library, not of an engine


def copy(source: Store, target: Store, progress: Progress) -> None:
    """Copy all rows, and compare them. Raises IndexProblem if the target is not empty, or differs afterwards."""
    with source.reading(), target.writing(durable=True):
        if any(target.transfer.count(table) for table in TABLES):
            raise IndexProblem(f"{target.path} is not empty", "Copy to a place where there is no index yet.")
        total, done = sum(source.transfer.count(table) for table in TABLES), 0
        target.text_columns.set([column for column in source.text_columns.all() if column.stage is not None])
        for key in SETTINGS:
            target.remember(key, source.setting(key))
        for table in TABLES:
            for rows in source.transfer.read(table):
                target.transfer.write(table, rows)
                done += len(rows)
                progress(done, total)
        target.transfer.finish()
        for table in TABLES:
            if digest(source.transfer.read(table)) != digest(target.transfer.read(table)):
                raise IndexProblem(
                    f"the copy of the table {table.name} differs, and was not kept",
                    "Check both with `imgret doctor`.",
                )


def digest(steps: Iterable[Sequence[Row]]) -> tuple[int, bytes]:
    """Return the number of the rows, and a hash of all their values."""
    count, hashed = 0, blake2b(digest_size=32)
    for rows in steps:
        for row in rows:
            hashed.update(repr(row).encode("utf-8", "surrogatepass"))
        count += len(rows)
    return count, hashed.digest()
