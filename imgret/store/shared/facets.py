"""The values that filters can select in the library: tags, cameras, formats, dates."""

from __future__ import annotations

from imgret.store.clauses import OBJECT
from imgret.store.conditions import HAS_PHOTO
from imgret.store.shared.dialect import RowQueries


class Facets(RowQueries):
    """Implements `imgret.store.interface.overview.Facets`."""

    def kinds(self) -> list[str]:
        return self._kept_texts(
            "WITH RECURSIVE each (kind) AS (SELECT min(kind) FROM tag UNION ALL"
            " SELECT (SELECT min(kind) FROM tag WHERE kind > each.kind) FROM each WHERE kind IS NOT NULL)"
            " SELECT kind FROM each WHERE kind IS NOT NULL"
        )

    def labels(self, kind: str = OBJECT) -> list[str]:
        return self._kept_texts(
            "WITH RECURSIVE each (label) AS (SELECT min(label) FROM tag WHERE kind = ? UNION ALL"
            " SELECT (SELECT min(label) FROM tag WHERE kind = ? AND label > each.label) FROM each"
            " WHERE label IS NOT NULL) SELECT label FROM each WHERE label IS NOT NULL",
            kind,
            kind,
        )

    def most_counted(self, meant: list[str]) -> int:
        if not meant:
            return 0
        rows = self._rows(
            "SELECT max(total) FROM (SELECT sum(count) AS total FROM tag"
            f" WHERE kind = ? AND label IN ({', '.join('?' * len(meant))}) GROUP BY content, stage) AS counted",
            OBJECT,
            *meant,
        )
        return sum(int(most or 0) for (most,) in rows)

    def cameras(self, count: int) -> list[str]:
        return [camera for camera, _ in self._counted("camera", "content WHERE camera IS NOT NULL", count)]

    def formats(self) -> list[str]:
        return self._texts(
            "SELECT format FROM content WHERE format IS NOT NULL GROUP BY format ORDER BY count(*) DESC, format"
        )

    def dates(self) -> tuple[int, int] | None:
        rows = self._rows("SELECT min(date), max(date) FROM content WHERE date IS NOT NULL")
        return next(((int(first), int(last)) for first, last in rows if first is not None), None)

    def payloads(self, stage: str) -> list[tuple[str, int]]:
        rows = self._rows(
            "SELECT payload, count(*) FROM stage_result"
            f" WHERE stage = ? AND {HAS_PHOTO.format('stage_result.content')} GROUP BY payload",
            stage,
        )
        return [(str(payload), int(count)) for payload, count in rows]

    def commonest(self, kind: str, count: int) -> list[str]:
        return [label for label, _ in self._counted("label", "tag WHERE kind = ?", count, kind)]

    def photos_by_year(self) -> list[tuple[int, int]]:
        rows = self._rows(
            f"SELECT {self._dialect.year} AS year, count(*) FROM content"
            f" WHERE date IS NOT NULL AND {HAS_PHOTO.format('content.id')} GROUP BY year ORDER BY year"
        )
        return [(int(year), int(count)) for year, count in rows]

    def photos_by_camera(self, count: int) -> list[tuple[str, int]]:
        living = f"content WHERE camera IS NOT NULL AND {HAS_PHOTO.format('content.id')}"
        return self._counted("camera", living, count)

    def photos_by_label(self, kind: str, count: int) -> list[tuple[str, int]]:
        living = f"tag WHERE kind = ? AND {HAS_PHOTO.format('tag.content')}"
        return self._counted("label", living, count, kind, number="count(DISTINCT content)")

    def _counted(
        self, column: str, source: str, count: int, *values: str, number: str = "count(*)"
    ) -> list[tuple[str, int]]:
        """The `count` commonest values of a column and how often each occurs; equal ones by value."""
        rows = self._rows(
            f"SELECT {column}, {number} FROM {source} GROUP BY {column} ORDER BY {number} DESC, {column} LIMIT ?",
            *values,
            count,
        )
        return [(str(value), int(found)) for value, found in rows]

    def _kept_texts(self, sql: str, *values: str) -> list[str]:
        return [str(text) for (text,) in self._kept_rows(sql, *values)]

    def _texts(self, sql: str, *values: str) -> list[str]:
        return [str(text) for (text,) in self._rows(sql, *values)]
