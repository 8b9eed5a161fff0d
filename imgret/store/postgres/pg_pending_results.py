"""The results, tags and vectors that a transaction saves."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from imgret.photo import Tag
from imgret.store.postgres.pg_address import Database
from imgret.store.postgres.pg_arrays import Halves
from imgret.store.postgres.pg_connection import Connection
from imgret.store.records import LABELS


class PendingResult(NamedTuple):
    """A row of `stage_result`, and its tags."""

    model: int
    payload: str
    made_at: int
    tags: Collection[Tag]


class PendingResults:
    """Collects results; the last one of a content and stage counts."""

    def __init__(self, connection: Connection, refresh: Callable[[int, Iterable[str]], None]) -> None:
        """`refresh` is `Documents.refresh`."""
        self._connection = connection
        self._refresh = refresh
        self._results: dict[int, dict[str, PendingResult]] = {}

    def add(self, content: int, stage: str, result: PendingResult) -> None:
        """Save the result of a stage. Within `writing()`."""
        self._results.setdefault(content, {})[stage] = result
        self._connection.pending.contents.add(content)

    def payloads(self, content: int) -> dict[str, str]:
        """Return the payloads of a content that are still to be written: stage -> JSON."""
        return {stage: result.payload for stage, result in self._results.get(content, {}).items()}

    def write_pending(self, db: Database) -> None:
        """See `pg_pending.Writer`."""
        pending, self._results = self._results, {}
        results = {
            (content, stage): each for content, some in pending.items() for stage, each in some.items()
        }
        if not results:
            return
        contents, stages = [content for content, _ in results], [stage for _, stage in results]
        gone = db.query(
            "DELETE FROM tag USING unnest(%s::bigint[], %s::text[]) AS old (content, stage)"
            " WHERE tag.content = old.content AND tag.stage = old.stage RETURNING tag.content",
            (contents, stages),
        ).fetchall()
        db.query(
            "INSERT INTO stage_result (content, stage, model, payload, made_at)"
            " SELECT * FROM unnest(%s::bigint[], %s::text[], %s::bigint[], %s::text[], %s::bigint[])"
            " ON CONFLICT (content, stage) DO UPDATE SET model = excluded.model, payload = excluded.payload,"
            " made_at = excluded.made_at",
            (
                contents,
                stages,
                [result.model for result in results.values()],
                [result.payload for result in results.values()],
                [result.made_at for result in results.values()],
            ),
        )
        tags = [(*key, tag) for key, result in results.items() for tag in result.tags]
        if tags:
            db.query(
                "INSERT INTO tag (kind, label, content, stage, count)"
                " SELECT * FROM unnest(%s::text[], %s::text[], %s::bigint[], %s::text[], %s::bigint[])",
                (
                    [tag.kind for _, _, tag in tags],
                    [tag.label for _, _, tag in tags],
                    [content for content, _, _ in tags],
                    [stage for _, stage, _ in tags],
                    [tag.count for _, _, tag in tags],
                ),
            )
        for content in dict.fromkeys(chain((row[0] for row in gone), (content for content, _, _ in tags))):
            self._refresh(content, (LABELS,))

    def forget_pending(self) -> None:
        """See `pg_pending.Writer`."""
        self._results.clear()


class PendingVectors:
    """Collects vectors: those of a content in a space replace all that it had there."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._vectors: dict[tuple[int, int], Mapping[str, NDArray[Any]]] = {}

    def add(self, content: int, space: int, vectors: Mapping[str, NDArray[np.float32]]) -> None:
        """Save the vectors of a content in a space: view -> (dimension,). Within `writing()`."""
        self._vectors[content, space] = vectors
        self._connection.pending.contents.add(content)

    def write_pending(self, db: Database) -> None:
        """See `pg_pending.Writer`."""
        vectors, self._vectors = self._vectors, {}
        if not vectors:
            return
        self._connection.in_order()  # their ids grow in the order of commits
        db.query(
            "DELETE FROM vector USING unnest(%s::bigint[], %s::bigint[]) AS old (content, space)"
            " WHERE vector.content = old.content AND vector.space = old.space",
            ([content for content, _ in vectors], [space for _, space in vectors]),
        )
        rows = [(*key, str(view), data) for key, views in vectors.items() for view, data in views.items()]
        if rows:
            db.query(
                "INSERT INTO vector (content, view, space, data)"
                " SELECT * FROM unnest(%s::bigint[], %s::text[], %s::bigint[], %s)",
                (
                    [content for content, _, _, _ in rows],
                    [view for _, _, view, _ in rows],
                    [space for _, space, _, _ in rows],
                    Halves([data for _, _, _, data in rows]),
                ),
            )

    def forget_pending(self) -> None:
        """See `pg_pending.Writer`."""
        self._vectors.clear()
