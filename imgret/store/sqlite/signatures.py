"""What all pictures look like: their signatures (`decode.perceptual`), read in bulk."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from imgret.store.sqlite.connection import Connection

SIGNATURE = 64  # bytes
STEP = 16_384  # ids in one read, so that it stays short and 1 MiB is held at a time

Ids = NDArray[np.int64]
Rows = NDArray[np.int8]


class Signatures:
    """Implements `imgret.store.interface.files.Signatures`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def all(self) -> Iterator[tuple[Ids, Rows]]:
        last = int(self._connection.db.execute("SELECT coalesce(max(id), 0) FROM content").get)
        for start in range(0, last, STEP):
            # As one text and one blob, both in the order of the rows: a row of its own for each costs twice as much.
            row = self._connection.row(
                "SELECT group_concat(id, ' '), CAST(group_concat(look, '') AS BLOB) FROM content"
                " WHERE id > ? AND id <= ? AND look IS NOT NULL",
                (start, start + STEP),
            )
            if row is not None and row[0] is not None:
                ids = np.fromstring(str(row[0]), np.int64, sep=" ")
                yield ids, np.frombuffer(row[1], np.int8).reshape(len(ids), SIGNATURE)
