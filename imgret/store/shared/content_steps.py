"""Go through all contents in steps, each for a short transaction: others write in between."""

from __future__ import annotations

from collections.abc import Iterator

from imgret.store.shared.dialect import Connection

AT_ONCE = 2000  # contents


def content_steps(connection: Connection) -> Iterator[tuple[int, int]]:
    """Yield ranges of ids of contents, (before the first, the last), until there is none that is later."""
    sql = "SELECT max(id) FROM (SELECT id FROM content WHERE id > ? ORDER BY id LIMIT ?) AS step"
    sql, after = sql.replace("?", connection.dialect.mark), 0
    while True:
        ((last,),) = connection.rows(sql, (after, AT_ONCE))
        if last is None:
            return
        if after:
            connection.give_way()
        yield after, last
        after = last
