"""The parts of shared statements that PostgreSQL writes in its own way."""

from __future__ import annotations

from imgret.store.shared.dialect import Condition, Dialect

# The first EXISTS does not depend on the row, so it is evaluated once and skips the second one if no disk is unavailable.
AWAY = (
    "(EXISTS (SELECT 1 FROM mount_here WHERE reason IS NOT NULL) AND EXISTS (SELECT 1 FROM mount_here AS mount"
    " WHERE mount.root = photo.root AND mount.reason IS NOT NULL AND substring(photo.folder || '/'::bytea"
    " FROM 1 FOR length(mount.folder) + 1) = mount.folder || '/'::bytea))"
)
ONLINE = f"(root.online AND NOT {AWAY})"

# A row in this folder (twice the folder). Entries of indexes have a largest size, so they have the hash of the folder.
IN_FOLDER = "(sha256(folder) = sha256(%s) AND folder = %s)"

INDEXED = 512  # bytes of a path in the index `photo_below`
_BEGINNING = f"substring(folder FOR {INDEXED})"


def at(root: int, folder: bytes, name: bytes) -> Condition:
    """See `Dialect.at`."""
    return f"(root = %s AND {IN_FOLDER} AND name = %s)", (root, folder, folder, name)


def below(folder: bytes) -> Condition:
    """See `Dialect.below`."""
    if not folder:
        return "", ()
    # "0" is the character after "/", so this is the range of all strings that start with `folder/`.
    # The first condition has an index, but paths that are longer than its entries are alike in it.
    return (
        f" AND {_BEGINNING} BETWEEN %s AND %s AND (folder = %s OR (folder > %s AND folder < %s))",
        (folder[:INDEXED], (folder + b"0")[:INDEXED], folder, folder + b"/", folder + b"0"),
    )


DIALECT = Dialect(
    mark="%s",
    among="= ANY (%s::bigint[])",
    numbers=list,
    root="root_here AS root",
    away=AWAY,
    online=ONLINE,
    at=at,
    below=below,
    year="extract(year FROM to_timestamp(date) AT TIME ZONE 'UTC')::int",
    # In hexadecimal: PostgreSQL has no least bytea before 18.
    least_name="decode(min(encode(name, 'hex') COLLATE \"C\"), 'hex')",
)
