"""Empty libraries on a server that are used again: deleting a few rows takes a hundredth of the time of making tables."""

from __future__ import annotations

from typing import Any

import psycopg
from postgres_server import PostgresServer
from psycopg import sql

from imgret.store.factory import open_store

USES = 40  # of a library: the server does not reclaim deleted rows during the tests


class EmptyLibraries:
    """Libraries without photos, each in a schema of its own."""

    def __init__(self, server: PostgresServer) -> None:
        self._server = server
        self._free: list[str] = []
        self._uses: dict[str, int] = {}
        self._initial: dict[str, list[tuple[Any, ...]]] = {}  # table -> its rows in an empty library
        self._relations: set[str] = set()  # its tables, indexes and sequences

    def take(self) -> str:
        """Return the place of an empty library."""
        place = self._free.pop() if self._free else self._made()
        self._uses[place] = self._uses.get(place, 0) + 1
        return place

    def give_back(self, place: str) -> None:
        """Empty a library for the next use, or remove it."""
        with psycopg.connect(place) as db:
            db.execute("SET lock_timeout = '10s'")
            usable = self._uses[place] < USES and _relations(db) == self._relations
            if usable:
                self._empty(db)
        if usable:
            self._free.append(place)
        else:
            self._server.remove_library(place)

    def _made(self) -> str:
        place = self._server.new_library()
        open_store(place).close()
        if not self._initial:
            with psycopg.connect(place) as db:
                self._relations = _relations(db)
                for table in _named(db, "r"):
                    self._initial[table] = db.execute(
                        sql.SQL("SELECT * FROM {}").format(sql.Identifier(table))
                    ).fetchall()
        return place

    def _empty(self, db: psycopg.Connection[Any]) -> None:
        """Bring all tables and sequences into the state of an empty library."""
        db.execute("SET session_replication_role = replica")  # neither triggers nor references
        for table, rows in self._initial.items():
            name = sql.Identifier(table)
            db.execute(sql.SQL("DELETE FROM {}").format(name))
            for row in rows:
                values = sql.SQL(", ").join([sql.Placeholder()] * len(row))
                db.execute(sql.SQL("INSERT INTO {} VALUES ({})").format(name, values), row)
        for sequence in _named(db, "S"):
            table = sequence.removesuffix("_id_seq").removesuffix("_position_seq")
            first = len(self._initial[table]) + 1
            db.execute(
                sql.SQL("ALTER SEQUENCE {} RESTART WITH {}").format(
                    sql.Identifier(sequence), sql.Literal(first)
                )
            )


def _relations(db: psycopg.Connection[Any]) -> set[str]:
    return set(_named(db, "r", "i", "S"))


def _named(db: psycopg.Connection[Any], *kinds: str) -> list[str]:
    """The relations of the library of these kinds (`pg_class.relkind`)."""
    rows = db.execute(
        "SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind::text = ANY (%s)",
        (list(kinds),),
    ).fetchall()
    return [name for (name,) in rows]
