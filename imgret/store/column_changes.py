"""Which columns of the words index come and go when a store gets other columns of stages. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from imgret.store.records import TextColumn

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_RESERVED = frozenset({"content", "rank", "rowid", "words"})  # names that SQLite and FTS5 use themselves


class ColumnChanges(NamedTuple):
    """Names of columns."""

    gone: list[str]
    new: list[str]


def column_changes(there: Sequence[TextColumn], wanted: Sequence[TextColumn]) -> ColumnChanges | None:
    """Return what changes so that exactly the columns `wanted` are those of stages; None if they are so already.

    There may be changes without a column that comes or goes: of a weight, or of `substrings`. Raises ValueError for a
    name that no column can have, and for one that occurs twice.
    """
    for column in wanted:
        if not _NAME.fullmatch(column.name) or column.name in _RESERVED or column.stage is None:
            raise ValueError(f"{column.name!r} cannot be a column of a stage")
    kept = {column.name: column for column in there if column.stage is not None}
    if sorted(wanted) == sorted(kept.values()):
        return None
    fixed = {column.name for column in there} - kept.keys()
    names = [column.name for column in wanted]
    if fixed.intersection(names) or len(set(names)) < len(names):
        raise ValueError(f"two columns of one name in {', '.join(names)}")
    return ColumnChanges(sorted(kept.keys() - set(names)), [name for name in names if name not in kept])
