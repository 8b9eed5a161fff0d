"""The perceptual hashes of images in SQLite."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imgret.store.shared.signature_queries import SignatureQueries
from imgret.store.trait_rows import COLOUR, DETAIL


class Signatures(SignatureQueries):
    """Implements `imgret.store.interface.files.Signatures`."""

    def _joined(self, where: str, values: Sequence[Any]) -> tuple[NDArray[np.int64], bytes, bytes, str]:
        row = self._connection.row(
            "SELECT group_concat(id, ' '), CAST(group_concat(look, '') AS BLOB),"
            f" CAST(group_concat(coalesce(detail, zeroblob({DETAIL + COLOUR})), '') AS BLOB),"
            " group_concat(detail IS NOT NULL, '')"
            f" FROM (SELECT id, look, detail FROM content WHERE {where} AND look IS NOT NULL ORDER BY id)",
            values,
        )
        ids, looks, details, known = row if row and row[0] is not None else ("", b"", b"", "")
        return np.fromstring(str(ids), np.int64, sep=" "), looks, details, str(known)
