"""The values that filters can select in the library: tags, cameras, formats, dates."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from imgret.store.clauses import OBJECT


class Rows(Protocol):
    """What a connection reads."""

    def rows(self, sql: str, values: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a query."""
        ...

    def row(self, sql: str, values: Sequence[Any] = ()) -> tuple[Any, ...] | None:
        """Return the first row of a query, or None."""
        ...


_LIVING = "EXISTS (SELECT 1 FROM photo WHERE photo.content = {} AND gone_at IS NULL)"


class Facets:
    """Implements `imgret.store.interface.overview.Facets`."""

    def __init__(self, connection: Rows) -> None:
        self._connection = connection

    def kinds(self) -> list[str]:
        return [
            str(kind)
            for (kind,) in self._connection.rows(
                "WITH RECURSIVE each (kind) AS (SELECT min(kind) FROM tag UNION ALL"
                " SELECT (SELECT min(kind) FROM tag WHERE kind > each.kind) FROM each WHERE kind IS NOT NULL)"
                " SELECT kind FROM each WHERE kind IS NOT NULL"
            )
        ]

    def labels(self, kind: str = OBJECT) -> list[str]:
        return [
            str(label)
            for (label,) in self._connection.rows(
                "WITH RECURSIVE each (label) AS (SELECT min(label) FROM tag WHERE kind = ?1 UNION ALL"
                " SELECT (SELECT min(label) FROM tag WHERE kind = ?1 AND label > each.label) FROM each"
                " WHERE label IS NOT NULL) SELECT label FROM each WHERE label IS NOT NULL",
                (kind,),
            )
        ]

    def most_counted(self, meant: list[str]) -> int:
        marks = ", ".join("?" * len(meant))
        row = self._connection.row(
            "SELECT max(total) FROM (SELECT sum(count) AS total FROM tag"
            f" WHERE kind = ? AND label IN ({marks}) GROUP BY content, stage)",
            (OBJECT, *meant),
        )
        return int(row[0] or 0) if row else 0

    def cameras(self, count: int) -> list[str]:
        sql = "SELECT camera FROM content WHERE camera IS NOT NULL GROUP BY camera ORDER BY count(*) DESC LIMIT ?"
        return [str(camera) for (camera,) in self._connection.rows(sql, (count,))]

    def formats(self) -> list[str]:
        sql = "SELECT format FROM content WHERE format IS NOT NULL GROUP BY format ORDER BY count(*) DESC"
        return [str(format_) for (format_,) in self._connection.rows(sql)]

    def dates(self) -> tuple[int, int] | None:
        row = self._connection.row("SELECT min(date), max(date) FROM content WHERE date IS NOT NULL")
        return (int(row[0]), int(row[1])) if row and row[0] is not None else None

    def payloads(self, stage: str) -> list[tuple[str, int]]:
        sql = (
            "SELECT payload, count(*) FROM stage_result WHERE stage = ? AND EXISTS (SELECT 1 FROM photo"
            " WHERE photo.content = stage_result.content AND gone_at IS NULL) GROUP BY payload"
        )
        return [(str(payload), int(count)) for payload, count in self._connection.rows(sql, (stage,))]

    def commonest(self, kind: str, count: int) -> list[str]:
        sql = "SELECT label FROM tag WHERE kind = ? GROUP BY label ORDER BY count(*) DESC LIMIT ?"
        return [str(label) for (label,) in self._connection.rows(sql, (kind, count))]

    def photos_by_year(self) -> list[tuple[int, int]]:
        sql = (
            "SELECT CAST(strftime('%Y', date, 'unixepoch') AS INTEGER) AS year, count(*) FROM content"
            f" WHERE date IS NOT NULL AND {_LIVING.format('content.id')} GROUP BY year ORDER BY year"
        )
        return [(int(year), int(count)) for year, count in self._connection.rows(sql)]

    def photos_by_camera(self, count: int) -> list[tuple[str, int]]:
        sql = (
            f"SELECT camera, count(*) FROM content WHERE camera IS NOT NULL AND {_LIVING.format('content.id')}"
            " GROUP BY camera ORDER BY count(*) DESC, camera LIMIT ?"
        )
        return [(str(camera), int(found)) for camera, found in self._connection.rows(sql, (count,))]

    def photos_by_label(self, kind: str, count: int) -> list[tuple[str, int]]:
        sql = (
            "SELECT label, count(DISTINCT content) FROM tag"
            f" WHERE kind = ? AND {_LIVING.format('tag.content')}"
            " GROUP BY label ORDER BY count(DISTINCT content) DESC, label LIMIT ?"
        )
        return [(str(label), int(found)) for label, found in self._connection.rows(sql, (kind, count))]
