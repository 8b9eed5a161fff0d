"""The values that filters can select in the library: tags, cameras, formats, dates."""

from __future__ import annotations

from imgret.store.clauses import OBJECT
from imgret.store.postgres.pg_connection import Connection

_LIVING = "EXISTS (SELECT 1 FROM photo WHERE photo.content = {} AND gone_at IS NULL)"


class Facets:
    """Implements `imgret.store.interface.overview.Facets`."""

    def __init__(self, connection: Connection) -> None:
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
                "WITH RECURSIVE each (label) AS (SELECT min(label) FROM tag WHERE kind = %s UNION ALL"
                " SELECT (SELECT min(label) FROM tag WHERE kind = %s AND label > each.label) FROM each"
                " WHERE label IS NOT NULL) SELECT label FROM each WHERE label IS NOT NULL",
                (kind, kind),
            )
        ]

    def most_counted(self, meant: list[str]) -> int:
        return self._connection.number(
            "SELECT max(total) FROM (SELECT sum(count)::bigint AS total FROM tag"
            " WHERE kind = %s AND label = ANY (%s::text[]) GROUP BY content, stage) AS counted",
            (OBJECT, meant),
        )

    def cameras(self, count: int) -> list[str]:
        sql = "SELECT camera FROM content WHERE camera IS NOT NULL GROUP BY camera ORDER BY count(*) DESC, camera LIMIT %s"
        return [str(camera) for (camera,) in self._connection.rows(sql, (count,))]

    def formats(self) -> list[str]:
        sql = "SELECT format FROM content WHERE format IS NOT NULL GROUP BY format ORDER BY count(*) DESC, format"
        return [str(format_) for (format_,) in self._connection.rows(sql)]

    def dates(self) -> tuple[int, int] | None:
        row = self._connection.row("SELECT min(date), max(date) FROM content WHERE date IS NOT NULL")
        return (int(row[0]), int(row[1])) if row and row[0] is not None else None

    def payloads(self, stage: str) -> list[tuple[str, int]]:
        sql = (
            "SELECT payload, count(*) FROM stage_result WHERE stage = %s AND EXISTS (SELECT 1 FROM photo"
            " WHERE photo.content = stage_result.content AND gone_at IS NULL) GROUP BY payload"
        )
        return [(str(payload), int(count)) for payload, count in self._connection.rows(sql, (stage,))]

    def commonest(self, kind: str, count: int) -> list[str]:
        sql = "SELECT label FROM tag WHERE kind = %s GROUP BY label ORDER BY count(*) DESC, label LIMIT %s"
        return [str(label) for (label,) in self._connection.rows(sql, (kind, count))]

    def photos_by_year(self) -> list[tuple[int, int]]:
        sql = (
            "SELECT extract(year FROM to_timestamp(date) AT TIME ZONE 'UTC')::int AS year, count(*) FROM content"
            f" WHERE date IS NOT NULL AND {_LIVING.format('content.id')} GROUP BY year ORDER BY year"
        )
        return [(int(year), int(count)) for year, count in self._connection.rows(sql)]

    def photos_by_camera(self, count: int) -> list[tuple[str, int]]:
        sql = (
            f"SELECT camera, count(*) FROM content WHERE camera IS NOT NULL AND {_LIVING.format('content.id')}"
            " GROUP BY camera ORDER BY count(*) DESC, camera LIMIT %s"
        )
        return [(str(camera), int(found)) for camera, found in self._connection.rows(sql, (count,))]

    def photos_by_label(self, kind: str, count: int) -> list[tuple[str, int]]:
        sql = (
            "SELECT label, count(DISTINCT content) FROM tag"
            f" WHERE kind = %s AND {_LIVING.format('tag.content')}"
            " GROUP BY label ORDER BY count(DISTINCT content) DESC, label LIMIT %s"
        )
        return [(str(label), int(found)) for label, found in self._connection.rows(sql, (kind, count))]
