"""The perceptual hashes of images in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imgret.store.postgres.pg_arrays import int8s
from imgret.store.shared.signature_queries import SignatureQueries
from imgret.store.trait_rows import COLOUR, DETAIL


class Signatures(SignatureQueries):
    """Implements `imgret.store.interface.files.Signatures`."""

    def _joined(self, where: str, values: Sequence[Any]) -> tuple[NDArray[np.int64], bytes, bytes, str]:
        row = self._connection.row(
            "SELECT array_agg(id ORDER BY id), string_agg(look, ''::bytea ORDER BY id),"
            " string_agg(coalesce(detail, %s), ''::bytea ORDER BY id),"
            " string_agg(CASE WHEN detail IS NULL THEN '0' ELSE '1' END, '' ORDER BY id)"
            f" FROM content WHERE {where} AND look IS NOT NULL",
            (bytes(DETAIL + COLOUR), *values),
        )
        ids, looks, details, known = row if row and row[0] is not None else (None, b"", b"", "")
        return int8s(ids), looks, details, known
