"""Functions that SQL can call: the folding of text, so that stored text is compared as queries are."""

from __future__ import annotations

import apsw

from imgret.store.fold import cut, fold_bytes, squeezed


def register(db: apsw.Connection) -> None:
    """Give SQL the functions `folded(BLOB)`, `cut(TEXT)` and `squeezed(TEXT)`, all -> TEXT. Migrations use them, too."""

    def folded(*values: apsw.SQLiteValue) -> str | None:
        return fold_bytes(values[0]) if isinstance(values[0], bytes) else None

    def cut_(*values: apsw.SQLiteValue) -> str | None:
        return cut(values[0]) if isinstance(values[0], str) else None

    def squeezed_(*values: apsw.SQLiteValue) -> str | None:
        return squeezed(values[0]) if isinstance(values[0], str) else None

    db.create_scalar_function("squeezed", squeezed_, 1, deterministic=True)
    db.create_scalar_function("folded", folded, 1, deterministic=True)
    db.create_scalar_function("cut", cut_, 1, deterministic=True)
