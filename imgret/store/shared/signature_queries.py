"""Read the perceptual hashes (`decode.perceptual`) of images, and other properties of copies, in bulk."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imgret.store.records import NO_TIME, Looks, Traits
from imgret.store.shared.dialect import Queries
from imgret.store.trait_rows import COLOUR, DETAIL, PIXELS, SIGNATURE, traits_of

STEP = 16_384  # ids per query, which keeps each query short and its result at 1 MiB

Ids = NDArray[np.int64]


class SignatureQueries(Queries, ABC):
    """Implements `imgret.store.interface.files.Signatures`, but for `_joined`."""

    @abstractmethod
    def _joined(self, where: str, values: Sequence[Any]) -> tuple[Ids, bytes, bytes, str]:
        """The ids of the contents that pass a condition, ascending, and what they have of these, joined in the same order:

        `look`, `detail` (zeros where there is none), and 1 or 0: does it have `detail`? Separate rows would take
        twice as long.
        """

    def all(self) -> Iterator[Looks]:
        for start, end in self._steps():
            found = self._looks(self._sql("id > ? AND id <= ?"), (start, end))
            if len(found.contents):
                yield found

    def of(self, contents: Ids) -> Looks:
        values = (self._dialect.numbers(np.unique(contents).tolist()),)
        return self._looks(f"id {self._dialect.among}", values)

    def traits(self) -> Iterator[Traits]:
        for start, end in self._steps():
            rows = self._rows(
                "SELECT content.id, count(*), coalesce(pixels, ?), coalesce(width * height, 0),"
                " max(size), coalesce(taken_at, ?), subsecond, camera, latitude IS NOT NULL,"
                " EXISTS (SELECT 1 FROM note WHERE note.content = content.id), coalesce(format, ''),"
                f" {self._dialect.least_name}"
                " FROM content JOIN photo ON photo.content = content.id AND gone_at IS NULL"
                " WHERE content.id > ? AND content.id <= ? GROUP BY content.id ORDER BY content.id",
                bytes(PIXELS),
                NO_TIME,
                start,
                end,
            )
            if found := list(rows):
                yield traits_of(found)

    def _steps(self) -> Iterator[tuple[int, int]]:
        for start in range(0, self._number("SELECT max(id) FROM content"), STEP):
            yield start, start + STEP

    def _looks(self, where: str, values: Sequence[Any]) -> Looks:
        contents, looks, details, known = self._joined(where, values)
        fine = np.frombuffer(details, np.uint8).reshape(len(contents), DETAIL + COLOUR)
        return Looks(
            contents,
            np.frombuffer(looks, np.int8).reshape(len(contents), SIGNATURE),
            np.ascontiguousarray(fine[:, :DETAIL]),
            fine[:, DETAIL:].view(np.int8),
            np.frombuffer(known.encode(), np.uint8) == ord("1"),
        )
