"""Read the perceptual signatures (`decode.perceptual`) of all images in bulk."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from imgret.store.sqlite.connection import Connection

SIGNATURE = 64  # bytes
STEP = 16_384  # ids per query, which keeps each query short and its result at 1 MiB

Ids = NDArray[np.int64]
Rows = NDArray[np.int8]


class Signatures:
    """Implements `imgret.store.interface.files.Signatures`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def all(self) -> Iterator[tuple[Ids, Rows]]:
        last = int(self._connection.db.execute("SELECT coalesce(max(id), 0) FROM content").get)
        for start in range(0, last, STEP):
            # Concatenated to one text and one blob in the same order: separate rows would take twice as long.
            row = self._connection.row(
                "SELECT group_concat(id, ' '), CAST(group_concat(look, '') AS BLOB) FROM content"
                " WHERE id > ? AND id <= ? AND look IS NOT NULL",
                (start, start + STEP),
            )
            if row is not None and row[0] is not None:
                ids = np.fromstring(str(row[0]), np.int64, sep=" ")
                yield ids, np.frombuffer(row[1], np.int8).reshape(len(ids), SIGNATURE)
