"""The parts of shared statements that SQLite writes in its own way."""

from __future__ import annotations

from array import array
from collections.abc import Collection

import apsw

from imgret.store.shared.dialect import Condition, Dialect

# The first EXISTS does not depend on the row, so SQLite evaluates it once and skips the second one if no disk is unavailable.
AWAY = (
    "(EXISTS (SELECT 1 FROM mount WHERE reason IS NOT NULL) AND EXISTS (SELECT 1 FROM mount"
    " WHERE mount.root = photo.root AND mount.reason IS NOT NULL AND substr(CAST(photo.folder || '/' AS BLOB),"
    " 1, length(mount.folder) + 1) = CAST(mount.folder || '/' AS BLOB)))"
)
ONLINE = f"(root.online AND NOT {AWAY})"


def numbers(ids: Collection[int]) -> apsw.CArrayBinding:
    """Return ids as the table `carray(?)`."""
    # SQLite refuses an empty array, and no row has the id -1.
    return apsw.carray(array("q", ids or (-1,)), flags=apsw.SQLITE_CARRAY_INT64)


def at(root: int, folder: bytes, name: bytes) -> Condition:
    """See `Dialect.at`."""
    return "(root = ? AND folder = ? AND name = ?)", (root, folder, name)


def below(folder: bytes) -> Condition:
    """See `Dialect.below`."""
    if not folder:
        return "", ()
    # "0" is the character after "/", so this is the range of all strings that start with `folder/`.
    return " AND (folder = ? OR (folder > ? AND folder < ?))", (folder, folder + b"/", folder + b"0")


DIALECT = Dialect(
    mark="?",
    among="IN (SELECT value FROM carray(?))",
    numbers=numbers,
    root="root",
    away=AWAY,
    online=ONLINE,
    at=at,
    below=below,
    year="CAST(strftime('%Y', date, 'unixepoch') AS INTEGER)",
    least_name="min(name)",
)
