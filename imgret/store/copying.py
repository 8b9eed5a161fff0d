"""Copy everything of one store to another, empty one, of any engine, and compare the two.

The copy is made in many transactions, so one that was interrupted continues where it stopped: the rows of a table are
written in the order of their key, and what the target has of it is compared with the source first. Until `finish`, the
target has a setting that keeps others from opening it. What is derived (words, nearest neighbours) is rebuilt by the
caller, before that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from hashlib import blake2b
from itertools import chain
from typing import TYPE_CHECKING

from imgret.errors import IndexProblem
from imgret.store.policy import COPYING
from imgret.store.table_rows import TABLES, Row

if TYPE_CHECKING:
    from imgret.store.interface import Store
    from imgret.store.table_rows import Table

Progress = Callable[[int, int], None]  # (rows done, rows in all)
SETTINGS = ("requests", "waiting")  # those of the library, not of an engine


def copy(source: Store, target: Store, progress: Progress) -> None:
    """Copy the rows that the target lacks, and compare all.

    Raises IndexProblem if the target is neither empty nor a part of a copy of this source, or differs afterwards.
    """
    with source.reading():
        _begin(source, target)
        total, done = (sum(store.transfer.count(table) for table in TABLES) for store in (source, target))
        progress(done, total)
        for table in TABLES:
            there = target.transfer.count(table)
            after = _compared(source, target, table, there) if there else None
            if table.whole:  # its rows refer to later ones, so they are written in one transaction
                with target.writing():
                    for rows in source.transfer.read(table, after):
                        target.transfer.write(table, rows)
                        done += len(rows)
                        progress(done, total)
                continue
            for rows in source.transfer.read(table, after):
                with target.writing():
                    target.transfer.write(table, rows)
                done += len(rows)
                progress(done, total)
        with target.writing(durable=True):
            target.transfer.finish()
        with target.reading():
            for table in TABLES:
                if digest(_rows(source, table)) != digest(_rows(target, table)):
                    raise IndexProblem(
                        f"the copy of the table {table.name} differs",
                        f"Check {source.path} with `imgret doctor`, remove {target.path}, and copy again.",
                    )


def finish(target: Store) -> None:
    """The copy is complete, and all that is derived was made: others may open it."""
    with target.writing(durable=True):
        target.remember(COPYING, None)


def digest(rows: Iterator[Row]) -> tuple[int, bytes, Row]:
    """Return the number of rows, a hash of all their values, and the last one."""
    count, hashed, row = 0, blake2b(digest_size=32), ()
    for count, row in enumerate(rows, 1):  # noqa: B007 - both are returned
        hashed.update(repr(row).encode("utf-8", "surrogatepass"))
    return count, hashed.digest(), row


def _begin(source: Store, target: Store) -> None:
    with target.writing(durable=True):
        if target.setting(COPYING):
            return
        if any(target.transfer.count(table) for table in TABLES):
            raise IndexProblem(f"{target.path} is not empty", "Copy to a place without an index.")
        target.remember(COPYING, "1")
        target.text_columns.set([column for column in source.text_columns.all() if column.stage is not None])
        for key in SETTINGS:
            target.remember(key, source.setting(key))


def _compared(source: Store, target: Store, table: Table, count: int) -> Row:
    """Return the key of the last row of a table of the target. All its rows must be the first of the source."""
    with target.reading():
        have = digest(_rows(target, table))
    rows = _rows(source, table)
    if have != digest(row for _, row in zip(range(count), rows, strict=False)):
        raise IndexProblem(
            f"{source.path} has changed since the copy was interrupted, or is another index than the one before",
            "Remove the part of the copy with the option --discard of the same command, and copy again.",
        )
    return have[2][: table.key]


def _rows(store: Store, table: Table) -> Iterator[Row]:
    return chain.from_iterable(store.transfer.read(table))
