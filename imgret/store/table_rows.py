"""The tables that the stores of all engines have, for copying from one to another."""

from __future__ import annotations

from typing import Any, NamedTuple

Row = tuple[Any, ...]


class Table(NamedTuple):
    """A table that all engines have, with the same columns."""

    name: str
    columns: tuple[str, ...]
    key: int  # the first columns that name a row; rows are read in their order
    whole: bool  # a row may refer to a later one of the same table


def _table(name: str, columns: str, key: int = 1, *, whole: bool = False) -> Table:
    return Table(name, tuple(columns.split()), key, whole)


# In an order in which each row refers to rows of earlier tables only, or of the same table.
TABLES = (
    _table("root", "id path filesystem watched online reason scanned_at removed"),
    _table("mount", "root folder filesystem reason", 2),
    _table(
        "content",
        "id hash pixels format width height taken_at camera latitude longitude truncated subsecond look detail edit_of"
        " date date_source date_precision date_zone date_fraction",
        whole=True,
    ),
    _table(
        "photo",
        "id root folder name size mtime_ns ctime_ns inode content first_seen last_seen gone_at born",
    ),
    _table("sidecar", "root folder name size mtime_ns ctime_ns inode", 3),
    _table("unreadable", "photo attempts not_before error"),
    _table("model", "id stage name revision settings"),
    _table("stage_result", "content stage model payload made_at", 2),
    _table("tag", "kind label content stage count", 4),
    _table("note", "content text written_at path"),
    _table("replaced", "photo content born"),
    _table("space", "id model stage dimension lead weight active"),
    _table("vector", "id content view space data"),
    _table("work", "content stage attempts not_before error request date", 2),
    _table("document", "content"),
)
