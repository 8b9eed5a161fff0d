"""Read the perceptual hashes (`decode.perceptual`) of images, and other properties of copies, in bulk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from imgret.store.records import NO_TIME, Looks, Traits
from imgret.store.sqlite import words
from imgret.store.sqlite.connection import Connection
from imgret.store.trait_rows import COLOUR, DETAIL, SIGNATURE, traits_of

STEP = 16_384  # ids per query, which keeps each query short and its result at 1 MiB

Ids = NDArray[np.int64]


class Signatures:
    """Implements `imgret.store.interface.files.Signatures`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def all(self) -> Iterator[Looks]:
        for start, end in self._steps():
            found = self._looks("id > ? AND id <= ?", (start, end))
            if len(found.contents):
                yield found

    def of(self, contents: Ids) -> Looks:
        # Not as a list of ids in one text: SQLite looks each up by its key, once and in ascending order.
        return self._looks("id IN (SELECT value FROM carray(?))", (words.carray(contents),))

    def traits(self) -> Iterator[Traits]:
        for start, end in self._steps():
            rows = list(
                self._connection.rows(
                    "SELECT content.id, count(*), coalesce(pixels, zeroblob(32)), coalesce(width * height, 0),"
                    " max(size), coalesce(taken_at, ?), subsecond, camera, latitude IS NOT NULL,"
                    " EXISTS (SELECT 1 FROM note WHERE note.content = content.id), coalesce(format, ''), min(name)"
                    " FROM content JOIN photo ON photo.content = content.id AND gone_at IS NULL"
                    " WHERE content.id > ? AND content.id <= ? GROUP BY content.id ORDER BY content.id",
                    (NO_TIME, start, end),
                )
            )
            if rows:
                yield traits_of(rows)

    def _steps(self) -> Iterator[tuple[int, int]]:
        last = int(self._connection.db.execute("SELECT coalesce(max(id), 0) FROM content").get)
        for start in range(0, last, STEP):
            yield start, start + STEP

    def _looks(self, where: str, values: Sequence[object]) -> Looks:
        """The hashes of the contents that pass a condition, ascending."""
        # Concatenated to texts and blobs in the same order: separate rows would take twice as long.
        row = self._connection.row(
            "SELECT group_concat(id, ' '), CAST(group_concat(look, '') AS BLOB),"
            " CAST(group_concat(coalesce(detail, zeroblob(26)), '') AS BLOB), group_concat(detail IS NOT NULL, '')"
            f" FROM (SELECT id, look, detail FROM content WHERE {where} AND look IS NOT NULL ORDER BY id)",
            values,
        )
        ids, looks, details, known = row if row and row[0] is not None else ("", b"", b"", "")
        contents = np.fromstring(str(ids), np.int64, sep=" ")
        fine = np.frombuffer(details, np.uint8).reshape(len(contents), DETAIL + COLOUR)
        return Looks(
            contents,
            np.frombuffer(looks, np.int8).reshape(len(contents), SIGNATURE),
            np.ascontiguousarray(fine[:, :DETAIL]),
            fine[:, DETAIL:].view(np.int8),
            np.frombuffer(str(known).encode(), np.uint8) == ord("1"),
        )
