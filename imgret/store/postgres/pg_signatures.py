"""Read the perceptual hashes (`decode.perceptual`) of images, and other properties of copies, in bulk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from imgret.store.postgres.pg_arrays import int8s
from imgret.store.postgres.pg_connection import Connection
from imgret.store.records import NO_TIME, Looks, Traits
from imgret.store.trait_rows import COLOUR, DETAIL, PIXELS, SIGNATURE, traits_of

STEP = 16_384  # ids per query, which keeps each query short and its result at 1 MiB

Ids = NDArray[np.int64]


class Signatures:
    """Implements `imgret.store.interface.files.Signatures`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def all(self) -> Iterator[Looks]:
        for start, end in self._steps():
            found = self._looks("id > %s AND id <= %s", (start, end))
            if len(found.contents):
                yield found

    def of(self, contents: Ids) -> Looks:
        return self._looks("id = ANY (%s)", (np.unique(contents),))

    def traits(self) -> Iterator[Traits]:
        for start, end in self._steps():
            rows = list(
                self._connection.rows(
                    "SELECT content.id, count(*), coalesce(pixels, %s), coalesce(width * height, 0),"
                    " max(size), coalesce(taken_at, %s), subsecond, camera, latitude IS NOT NULL,"
                    " EXISTS (SELECT 1 FROM note WHERE note.content = content.id), coalesce(format, ''), min(name)"
                    " FROM content JOIN photo ON photo.content = content.id AND gone_at IS NULL"
                    " WHERE content.id > %s AND content.id <= %s GROUP BY content.id ORDER BY content.id",
                    (bytes(PIXELS), NO_TIME, start, end),
                )
            )
            if rows:
                yield traits_of(rows)

    def _steps(self) -> Iterator[tuple[int, int]]:
        for start in range(0, self._connection.number("SELECT max(id) FROM content"), STEP):
            yield start, start + STEP

    def _looks(self, where: str, values: Sequence[object]) -> Looks:
        """The hashes of the contents that pass a condition, ascending."""
        # Concatenated in the same order: separate rows would take twice as long.
        row = self._connection.row(
            "SELECT array_agg(id ORDER BY id), string_agg(look, ''::bytea ORDER BY id),"
            " string_agg(coalesce(detail, %s), ''::bytea ORDER BY id),"
            " string_agg(CASE WHEN detail IS NULL THEN '0' ELSE '1' END, '' ORDER BY id)"
            f" FROM content WHERE {where} AND look IS NOT NULL",
            (bytes(DETAIL + COLOUR), *values),
        )
        ids, looks, details, known = row if row and row[0] is not None else (None, b"", b"", "")
        contents = int8s(ids)
        fine = np.frombuffer(details, np.uint8).reshape(len(contents), DETAIL + COLOUR)
        return Looks(
            contents,
            np.frombuffer(looks, np.int8).reshape(len(contents), SIGNATURE),
            np.ascontiguousarray(fine[:, :DETAIL]),
            fine[:, DETAIL:].view(np.int8),
            np.frombuffer(known.encode(), np.uint8) == ord("1"),
        )
