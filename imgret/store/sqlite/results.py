"""What the models and the user said of a content: captions, boxes, topics, notes, and who made them.

Every result remembers the identity of its model. Saving one keeps the tables for filters (`detection`,
`topic`) and the words index true in the same transaction.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Mapping, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from imgret.photo import ModelIdentity
from imgret.stages.interface import Tag
from imgret.store.sqlite import documents
from imgret.store.sqlite.connection import Connection
from imgret.store.sqlite.documents import Documents
from imgret.store.sqlite.notes import Notes
from imgret.store.sqlite.vectors import Vectors


class Results:
    """Implements `imgret.store.interface.descriptions.Results`."""

    def __init__(self, connection: Connection, documents: Documents, notes: Notes, vectors: Vectors) -> None:
        self._connection = connection
        self._documents = documents
        self._notes = notes
        self._vectors = vectors

    def model_id(self, stage: str, identity: ModelIdentity) -> int:
        """The row of a model; made on first use."""
        key = (stage, identity.name, identity.revision, identity.settings)
        where = "stage = ? AND name = ? AND revision = ? AND settings = ?"
        row = self._connection.row(f"SELECT id FROM model WHERE {where}", key)
        if row is None:
            with self._connection.writing() as db:
                db.execute("INSERT INTO model (stage, name, revision, settings) VALUES (?, ?, ?, ?)", key)
                return db.last_insert_rowid()
        return int(row[0])

    def save(
        self,
        content: int,
        stage: str,
        identity: ModelIdentity,
        payload: object,
        *,
        texts: Mapping[str, str] = {},
        tags: Sequence[Tag] = (),
        vectors: Mapping[str, NDArray[np.float32]] = {},
        lead: str = "",
    ) -> None:
        with self._connection.writing() as db:
            db.execute(
                "INSERT OR REPLACE INTO stage_result (content, stage, model, payload, made_at)"
                " VALUES (?, ?, ?, ?, ?)",
                (
                    content,
                    stage,
                    self.model_id(stage, identity),
                    msgspec.json.encode(payload).decode(),
                    int(time.time()),
                ),
            )
            if stage == "detect":
                db.execute("DELETE FROM detection WHERE content = ?", (content,))
                db.executemany(
                    "INSERT INTO detection (label, content, count) VALUES (?, ?, ?)",
                    [(tag.label, content, tag.count) for tag in tags],
                )
            if stage == "topics":
                db.execute("DELETE FROM topic WHERE content = ?", (content,))
                db.executemany(
                    "INSERT OR IGNORE INTO topic VALUES (?, ?)", [(tag.label, content) for tag in tags]
                )
            if stage == "embed":
                self._vectors.save(content, identity, vectors)
            if texts:
                self.refresh_words(content)

    def copy(self, source: int, target: int) -> set[str]:
        with self._connection.writing() as db:
            for table, columns in (
                ("stage_result", "stage, model, payload, made_at"),
                ("detection", "label, count"),
                ("topic", "label"),
            ):
                db.execute(
                    f"INSERT OR IGNORE INTO {table} (content, {columns})"
                    f" SELECT ?, {columns} FROM {table} WHERE content = ?",
                    (target, source),
                )
            self._vectors.copy(source, target)
            self.refresh_words(target)
            same_note = self.note(source) == self.note(target)
            return {stage for stage in self.identities(target) if same_note or stage != "embed"}

    def twin(self, content: int, pixels: bytes, stages: Collection[str]) -> int | None:
        undone = ",".join(f"'{stage}'" for stage in stages)
        row = self._connection.row(
            "SELECT id FROM content WHERE pixels = ? AND id <> ?"
            " AND EXISTS (SELECT 1 FROM stage_result WHERE content = id)"
            f" AND NOT EXISTS (SELECT 1 FROM work WHERE content = id AND stage IN ({undone})) ORDER BY id LIMIT 1",
            (pixels, content),
        )
        return int(row[0]) if row else None

    def pixels(self, content: int) -> bytes | None:
        row = self._connection.row("SELECT pixels FROM content WHERE id = ?", (content,))
        return row[0] if row else None

    def payloads(self, content: int) -> dict[str, str]:
        rows = self._connection.rows("SELECT stage, payload FROM stage_result WHERE content = ?", (content,))
        return {stage: payload for stage, payload in rows}

    def identities(self, content: int) -> dict[str, ModelIdentity]:
        rows = self._connection.rows(
            "SELECT r.stage, name, revision, settings FROM stage_result r JOIN model ON model.id = r.model"
            " WHERE content = ?",
            (content,),
        )
        return {stage: ModelIdentity(*rest) for stage, *rest in rows}

    def note(self, content: int) -> str | None:
        row = self._connection.row("SELECT text FROM note WHERE content = ?", (content,))
        return str(row[0]) if row else None

    def write_note(self, content: int, text: str | None) -> list[int]:
        text = (text or "").strip()
        with self._connection.writing() as db:
            changed = [content, *self._notes.later_edits(content)]
            for each in changed:
                self._notes.noted(each)
                if text:
                    db.execute(
                        "INSERT OR REPLACE INTO note (content, text, written_at) VALUES (?, ?, ?)",
                        (each, text, int(time.time())),
                    )
                    # Decoded before there were signatures: once more, so that an edit of it is recognized.
                    db.execute(
                        "INSERT OR IGNORE INTO work (content, stage)"
                        " SELECT id, 'decode' FROM content WHERE id = ? AND format IS NOT NULL AND look IS NULL",
                        (each,),
                    )
                else:
                    db.execute("DELETE FROM note WHERE content = ?", (each,))
                self.refresh_words(each)
            return changed

    def refresh_words(self, content: int) -> None:
        with self._connection.writing() as db:
            caption = json.loads(self.payloads(content).get("caption", '""'))
            labels = [
                label
                for (label,) in db.execute(
                    "SELECT label FROM detection WHERE content = ? UNION SELECT label FROM topic WHERE content = ?",
                    (content, content),
                )
            ]
            self._documents.save(
                content,
                caption=caption,
                labels=" ".join(label.replace("_", " ") for label in labels),
                note=self.note(content) or "",
                names=self.names(content),
            )

    def rebuild_words(self, texts: Callable[[str, str], Mapping[str, str]]) -> None:
        with self._connection.writing() as db:
            self._documents.rebuild()  # first, so that FTS5 and the documents that are replaced agree
            for (content,) in db.execute("SELECT content FROM document").fetchall():
                self.refresh_words(int(content))  # type: ignore[arg-type]

    def names(self, content: int) -> str:
        found: dict[str, None] = {}
        rows = self._connection.rows(
            "SELECT root.path, folder, name FROM photo JOIN root ON root.id = root"
            " WHERE content = ? AND gone_at IS NULL ORDER BY photo.id LIMIT 100",
            (content,),
        )
        for root, folder, name in rows:
            found.update(dict.fromkeys(documents.name_words(root, folder, name).split()))
        return " ".join(found)
