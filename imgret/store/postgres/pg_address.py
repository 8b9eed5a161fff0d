"""The address of a library on a PostgreSQL server, and opening a connection to it.

A library is a schema of a database: `imgret`, or the first one of the `search_path` in the address's `options`.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping
from types import NoneType
from typing import Any

import numpy as np
import psycopg
from psycopg import conninfo, pq
from psycopg.types.numeric import Int8BinaryDumper
from psycopg.types.string import StrBinaryDumper

from imgret.errors import IndexProblem, ReadOnly
from imgret.store.fold import encodable
from imgret.store.postgres import pg_arrays
from imgret.store.postgres.host_lock import worker_name

SCHEMA = "imgret"
CONNECT_SECONDS = 10
# A connection whose other end is gone is noticed within 30 s.
_DEFAULTS = {
    "application_name": "imgret",
    "connect_timeout": CONNECT_SECONDS,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 4,
    "tcp_user_timeout": 30_000,
}


class Cursor(psycopg.Cursor[Any]):
    """A cursor that gets its results in binary form."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.format = pq.Format.BINARY

    @property
    def get(self) -> Any:
        """The first value of the first row; None if there is no row."""
        row = self.fetchone()
        return None if row is None else row[0]


class Database(psycopg.Connection[Any]):
    """A connection whose cursors are of the class above."""

    before_statement: Callable[[], None] = staticmethod(lambda: None)

    def execute(self, query: Any, params: Any = (), **named: Any) -> Cursor:
        """Execute one statement; `%s` are places of values. Lists of integers and texts are sent as bigint[] and text[]."""
        self.before_statement()
        return self.query(query, params, **named)

    def query(self, query: Any, params: Any = (), **named: Any) -> Cursor:
        """Do the same without calling `before_statement`."""
        if not isinstance(params, Mapping):
            params = [_array(each) if isinstance(each, list) and each else each for each in params]
        return Cursor(self).execute(query, params, **named)

    def cursor(self, *arguments: Any, **named: Any) -> Any:
        """Return a cursor, for statements other than those of `execute`."""
        self.before_statement()
        return super().cursor(*arguments, **named)


def _array(values: list[Any]) -> Any:
    """A list of integers or texts as a value that is sent in binary form. psycopg would choose the type by the values."""
    types = set(map(type, values))
    if types == {int}:
        return np.array(values, np.int64)
    if types == {int, NoneType}:
        return pg_arrays.Integers(values)
    if types in ({str}, {str, NoneType}):
        return pg_arrays.Texts([None if text is None else storable(text) for text in values])
    return values


class _Text(StrBinaryDumper):
    """Sends texts as they are stored."""

    def dump(self, obj: str) -> Any:
        return super().dump(storable(obj))


def storable(text: str) -> str:
    """Return a text as it is stored: NUL and what UTF-8 cannot encode become U+FFFD."""
    return encodable(text).replace("\0", "\N{REPLACEMENT CHARACTER}")


def checked(place: str) -> dict[str, Any]:
    """Return the parameters of an address. Raises IndexProblem for one that cannot be used."""
    try:
        given = conninfo.conninfo_to_dict(place)
    except psycopg.Error as error:
        raise IndexProblem(
            f"the address of the index cannot be read: {' '.join(str(error).split())}",
            "Write it as postgresql://USER@HOST/DATABASE.",
        ) from None
    if "password" in given:
        raise IndexProblem(
            "the address of the index contains a password, which other users could see in lists of processes",
            "Write the password to ~/.pgpass (mode 0600), and remove it from the address.",
        )
    # Of two values of a setting the server takes the last one, however it is written.
    return _DEFAULTS | given | {"options": f"-c search_path={SCHEMA},public {given.get('options') or ''}"}


def connect(place: str) -> Database:
    """Return a connection that commits each statement by itself. Raises psycopg.Error and IndexProblem."""
    parameters = checked(place)
    with contextlib.suppress(ReadOnly):  # who cannot write the name to a file does not index either
        parameters["options"] += f" -c imgret.worker={worker_name(place)} -c imgret.process={os.getpid()}"
    db = Database.connect(**parameters, autocommit=True, cursor_factory=Cursor)
    try:
        db.adapters.register_dumper(str, _Text)
        db.adapters.register_dumper(int, Int8BinaryDumper)  # one type, so that a statement is prepared once
        load_vectors(db)
    except BaseException:
        db.close()
        raise
    return db


def load_vectors(db: Database) -> None:
    """Let the connection return vectors as the server sends them. Without effect until pgvector is installed."""
    oids = db.execute(
        "SELECT to_regtype('halfvec')::oid::int8, to_regtype('halfvec[]')::oid::int8"
    ).fetchone()
    pg_arrays.register(db.adapters, *(oids or (None, None)))
