"""The HNSW index of a large space. It has the leading vectors that were there when it was made.

To add a vector to such an index takes milliseconds, for which all that save would wait. So the condition of the index
excludes later vectors: these are compared one by one, and the index is made again when there are many.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

from imgret.store.postgres import pg_migrate, pg_schema
from imgret.store.postgres.pg_address import Database
from imgret.store.postgres.pg_connection import Connection
from imgret.store.postgres.pg_spaces import hnsw_name, new_hnsw_name
from imgret.store.records import Space

MAKING = f"{pg_migrate.LOCK + 2}, hashtext(current_schema())"  # the key of a lock; `pg_begin` has two others
_LAST = re.compile(r"id <= '?(\d+)")  # in the condition as the server writes it


def last(db: Database, space: Space) -> int | None:
    """Return the id of the last vector that the index may have; None if there is no complete index."""
    condition = db.execute(
        "SELECT pg_get_expr(indpred, indrelid) FROM pg_index WHERE indexrelid ="
        " to_regclass(concat(quote_ident(current_schema()), '.', %s::text)) AND indisvalid",
        (hnsw_name(space),),
    ).get
    found = _LAST.search(condition or "")
    return int(found[1]) if found else None


def leading(space: Space) -> str:
    """Return the condition of leading vectors. With values in it the planner would not see which index fits."""
    view = space.lead.replace("'", "''")
    return f"space = {int(space.id)} AND view = '{view}'"


def newer(connection: Connection, space: Space, at_most: int) -> int:
    """Return how many leading vectors are later than the index, counted up to `at_most`; all where there is none."""
    with connection.reading() as db:
        end = last(db, space) or 0
        sql = f"SELECT count(*) FROM (SELECT 1 FROM vector WHERE {leading(space)} AND id > {end} LIMIT %s) AS newer"
        return int(db.execute(sql, (at_most,)).get)


def make(connection: Connection, space: Space) -> bool:
    """Make the index anew, while others write and search; inside a transaction, while others wait.

    -> False, and nothing is done, while another connection makes one: they would wait for each other.
    """
    name, new = hnsw_name(space), new_hnsw_name(space)
    with _changing_indexes(connection) as (db, concurrently):
        if db is None:
            return False
        ours = [pg_schema.qualified(db, each) for each in (name, new)]
        db.execute(f"DROP INDEX{concurrently} IF EXISTS {ours[1]}")  # of a process that was killed
        end = db.execute("SELECT max(id) FROM vector").get or 0
        db.execute(
            f"CREATE INDEX{concurrently} {new} ON vector USING hnsw"
            f" ((data::halfvec({int(space.dimension)})) halfvec_ip_ops) WHERE {leading(space)} AND id <= {int(end)}"
        )
        db.execute(f"DROP INDEX{concurrently} IF EXISTS {ours[0]}")
        db.execute(f"ALTER INDEX {ours[1]} RENAME TO {name}")
        return True


def remove_unfinished(connection: Connection, space: Space) -> None:
    """Drop the index that a process which was killed has left, unless another connection makes one."""
    with _changing_indexes(connection) as (db, concurrently):
        if db is not None:
            db.execute(f"DROP INDEX{concurrently} IF EXISTS {pg_schema.qualified(db, new_hnsw_name(space))}")


@contextlib.contextmanager
def _changing_indexes(connection: Connection) -> Iterator[tuple[Database | None, str]]:
    """Take a lock, and release it at the end. -> None for the database while another connection has it; CONCURRENTLY, if possible."""
    inside = connection.in_transaction
    with connection.outside() as db:
        if not db.execute(f"SELECT pg_try_advisory{'_xact' if inside else ''}_lock({MAKING})").get:
            yield None, ""
            return
        try:
            yield db, "" if inside else " CONCURRENTLY"
        finally:
            if not inside and not db.closed:
                db.execute(f"SELECT pg_advisory_unlock({MAKING})")
