"""The texts of the words index that belong to no stage: labels of tags, notes, and names of files and folders."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from imgret.store import row_values
from imgret.store.postgres.pg_connection import Connection
from imgret.store.records import LABELS, NAMES, NOTE, SILENT_KINDS

COLUMNS = frozenset({LABELS, NOTE, NAMES})


class OwnTexts:
    """Reads these texts, of many contents together."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def of(self, column: str, contents: Sequence[int]) -> dict[int, str]:
        """Content -> its text in one of COLUMNS."""
        return {LABELS: self._labels, NOTE: self._notes, NAMES: self.names}[column](contents)

    def names(self, contents: Sequence[int]) -> dict[int, str]:
        """Content -> the words of its paths, at most of a hundred."""
        rows = self._connection.rows(
            "SELECT wanted, root.path, folder, name FROM unnest(%s::bigint[]) AS wanted, LATERAL (SELECT id, root, folder, name"
            " FROM photo WHERE content = wanted AND gone_at IS NULL ORDER BY id LIMIT 100) AS photo"
            " JOIN root ON root.id = photo.root ORDER BY wanted, photo.id",
            (list(contents),),
        )
        return {content: row_values.name_words(some) for content, some in _of_each(contents, rows)}

    def _labels(self, contents: Sequence[int]) -> dict[int, str]:
        rows = self._connection.rows(
            "SELECT DISTINCT content, label FROM tag WHERE content = ANY (%s::bigint[]) AND kind <> ALL (%s::text[])"
            " ORDER BY content, label",
            (list(contents), list(SILENT_KINDS)),
        )
        return {content: row_values.label_words(some) for content, some in _of_each(contents, rows)}

    def _notes(self, contents: Sequence[int]) -> dict[int, str]:
        rows = self._connection.rows(
            "SELECT content, text FROM note WHERE content = ANY (%s::bigint[])", (list(contents),)
        )
        return {content: "".join(text for (text,) in some) for content, some in _of_each(contents, rows)}


def _of_each(
    contents: Sequence[int], rows: Iterable[tuple[Any, ...]]
) -> Iterator[tuple[int, list[tuple[Any, ...]]]]:
    """Yield each content with its rows, which begin with the content."""
    found: dict[int, list[tuple[Any, ...]]] = {content: [] for content in contents}
    for content, *rest in rows:
        found[content].append(tuple(rest))
    yield from found.items()
