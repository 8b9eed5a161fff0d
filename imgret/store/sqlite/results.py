"""What the stages found in a content and what the user wrote about it, and which model made each result.

Saving a result keeps the tags, the words index and the vectors in sync in the same transaction.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping

import msgspec
import numpy as np
from numpy.typing import NDArray

from imgret.photo import ModelIdentity, Tag
from imgret.stages import registry
from imgret.stages.interface import DECODE
from imgret.store import row_values
from imgret.store.policy import ARRIVED
from imgret.store.records import IMPORTED, LABELS, NAMES, NOTE, SILENT_KINDS, SpaceTraits
from imgret.store.sqlite.connection import Connection
from imgret.store.sqlite.documents import Documents
from imgret.store.sqlite.model_rows import Models
from imgret.store.sqlite.notes import Notes
from imgret.store.sqlite.vectors import Vectors
from imgret.store.sqlite.work import queued

_SILENT = ", ".join(f"'{kind}'" for kind in SILENT_KINDS)
AT_ONCE = 500  # contents whose tags are dropped in one transaction
REBUILT = 2_000  # contents whose words are rebuilt in one transaction: FTS5 is slower with small ones
DROPPED = 5_000  # results that are dropped in one transaction


class Results:
    """Implements `imgret.store.interface.descriptions.Results`."""

    def __init__(
        self, connection: Connection, models: Models, documents: Documents, notes: Notes, vectors: Vectors
    ) -> None:
        self._connection = connection
        self._models = models
        self._documents = documents
        self._notes = notes
        self._vectors = vectors

    def save(
        self,
        content: int,
        stage: str,
        identity: ModelIdentity,
        payload: object,
        *,
        texts: Mapping[str, str] | None = None,
        tags: Collection[Tag] = (),
        vectors: Mapping[str, NDArray[np.float32]] | None = None,
        space: SpaceTraits | None = None,
    ) -> None:
        with self._connection.writing() as db:
            if vectors is not None:
                assert space is not None
                self._vectors.save(content, identity, vectors, stage, space)
            made = msgspec.json.encode(payload).decode()
            db.execute(
                "INSERT OR REPLACE INTO stage_result (content, stage, model, payload, made_at)"
                " VALUES (?, ?, ?, ?, ?)",
                (content, stage, self._models.id(stage, identity), made, int(time.time())),
            )
            words = dict(texts or {})
            db.execute("DELETE FROM tag WHERE content = ? AND stage = ?", (content, stage))
            if db.changes() or tags:
                db.executemany(
                    "INSERT OR REPLACE INTO tag (kind, label, content, stage, count) VALUES (?, ?, ?, ?, ?)",
                    [(tag.kind, tag.label, content, stage, tag.count) for tag in tags],
                )
                words[LABELS] = self._labels(content)
            if words:
                self._documents.update(content, words)

    def copy(self, source: int, target: int) -> set[str]:
        with self._connection.writing() as db:
            new = row_values.copied_stages(self.payloads(source), self.payloads(target))
            for table, columns in (
                ("stage_result", "stage, model, payload, made_at"),
                ("tag", "kind, label, stage, count"),
            ):
                db.executemany(
                    f"INSERT OR IGNORE INTO {table} (content, {columns})"
                    f" SELECT ?, {columns} FROM {table} WHERE content = ? AND stage = ?",
                    [(target, source, stage) for stage in new],
                )
            self._documents.copy(source, target, new)
            self._vectors.copy(source, target, new)
            self.refresh_words(target)
            same_note = self.note(source) == self.note(target)
            of_notes = registry.installed().followers("note")
            return {stage for stage in self.identities(target) if same_note or stage not in of_notes}

    def payloads(self, content: int) -> dict[str, str]:
        sql = "SELECT content, stage, payload FROM carray(?) CROSS JOIN stage_result ON content = value"
        rows = self._connection.rows_of(sql, content)
        return {str(stage): str(payload) for stage, payload in rows}

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
        rows = self._connection.rows_of(
            "SELECT id, pixels FROM carray(?) CROSS JOIN content ON id = value", content
        )
        return rows[0][0] if rows else None

    def identities(self, content: int) -> dict[str, ModelIdentity]:
        rows = self._connection.rows(
            "SELECT r.stage, name, revision, settings FROM stage_result r JOIN model ON model.id = r.model"
            " WHERE content = ?",
            (content,),
        )
        return {stage: ModelIdentity(*rest) for stage, *rest in rows}

    def note(self, content: int) -> str | None:
        sql = "SELECT content, text FROM carray(?) CROSS JOIN note ON content = value"
        rows = self._connection.rows_of(sql, content)
        return str(rows[0][0]) if rows else None

    def noted_at(self, content: int) -> int | None:
        row = self._connection.row("SELECT written_at FROM note WHERE content = ?", (content,))
        return int(row[0]) if row else None

    def imported_tags(self, content: int) -> list[Tag]:
        rows = self._connection.rows_of(
            "SELECT content, kind, label FROM carray(?) CROSS JOIN tag ON content = value WHERE stage = ?"
            " ORDER BY kind, label",
            content,
            (IMPORTED,),
        )
        return [Tag(str(kind), str(label)) for kind, label in rows]

    def import_tags(self, content: int, add: Collection[Tag], drop: Collection[Tag] = ()) -> bool:
        with self._connection.writing() as db:
            changed = False
            for each in [content, *self._notes.later_edits(content)]:
                before = self.imported_tags(each)
                # A note that is to follow an edit must still do so.
                if not before and self.note(each) is None:
                    self._notes.noted(each)
                old, new = row_values.tag_changes(before, add, drop)
                for tag in old:
                    db.execute(
                        "DELETE FROM tag WHERE kind = ? AND label = ? AND content = ? AND stage = ?",
                        (tag.kind, tag.label, each, IMPORTED),
                    )
                for tag in new:
                    db.execute(
                        "INSERT INTO tag (kind, label, content, stage) VALUES (?, ?, ?, ?)",
                        (tag.kind, tag.label, each, IMPORTED),
                    )
                if old or new:
                    changed = True
                    self.refresh_words(each)
            return changed

    def write_note(self, content: int, text: str | None, at: int | None = None) -> list[int]:
        text = (text or "").strip()
        with self._connection.writing() as db:
            changed = [content, *self._notes.later_edits(content)]
            for each in changed:
                self._notes.noted(each)
                if text:
                    db.execute(
                        "INSERT OR REPLACE INTO note (content, text, written_at) VALUES (?, ?, ?)",
                        (each, text, int(time.time()) if at is None else at),
                    )
                    # Decoded before there were signatures: once more, so that an edit of it is recognized.
                    if db.execute(
                        "SELECT 1 FROM content WHERE id = ? AND format IS NOT NULL AND look IS NULL", (each,)
                    ).fetchone():
                        queued(db, each, [DECODE], ARRIVED)
                else:
                    db.execute("DELETE FROM note WHERE content = ?", (each,))
                self.refresh_words(each)
            return changed

    def refresh_words(self, content: int) -> None:
        texts = {LABELS: self._labels(content), NOTE: self.note(content) or "", NAMES: self.names(content)}
        self._documents.update(content, texts)

    def rebuild_words(
        self, texts: Callable[[str, str], Mapping[str, str]], stages: Collection[str] | None = None
    ) -> None:
        self._documents.rebuild()  # first, so that FTS5 and the documents that are replaced agree
        after: int | None = 0
        while after is not None:
            with self._connection.writing():
                contents = self._documents.next(after, REBUILT)
                for content in contents:
                    self._fill(texts, content, self._documents.stages() if stages is None else stages)
                    self.refresh_words(content)
                after = contents[-1] if contents else None
            if len(contents) == REBUILT:
                self._connection.give_way()

    def fill_columns(
        self, texts: Callable[[str, str], Mapping[str, str]], stages: Collection[str], after: int
    ) -> int | None:
        with self._connection.writing():
            contents = self._documents.next(after, REBUILT)
            for content in contents:
                self._fill(texts, content, stages)
            return contents[-1] if contents else None

    def _fill(
        self, texts: Callable[[str, str], Mapping[str, str]], content: int, stages: Collection[str]
    ) -> None:
        found = self._documents.empty_texts(stages)
        for stage, payload in self.payloads(content).items():
            if stage in stages:
                words = texts(
                    stage, payload
                )  # perhaps of a column that another process has dropped meanwhile
                found.update({name: words[name] for name in words.keys() & found.keys()})
        self._documents.update(content, found)

    def forget_stage(self, stage: str) -> None:
        """Drop the results and tags of a stage, in short transactions: others write in between."""
        # Read at once: no index has the stage first, so each such query reads all tags.
        sql = "SELECT DISTINCT content FROM tag WHERE stage = ?"
        tagged = [content for (content,) in self._connection.rows(sql, (stage,))]
        for start in range(0, len(tagged), AT_ONCE):
            with self._connection.writing() as db:
                for content in tagged[start : start + AT_ONCE]:
                    db.execute("DELETE FROM tag WHERE content = ? AND stage = ?", (content, stage))
                    self._documents.update(content, {LABELS: self._labels(content)})
            self._connection.give_way()
        dropped = DROPPED
        while dropped == DROPPED:
            with self._connection.writing() as db:
                db.execute(
                    "DELETE FROM stage_result WHERE (content, stage) IN (SELECT content, stage FROM stage_result"
                    " WHERE model IN (SELECT id FROM model WHERE stage = ?) LIMIT ?)",
                    (stage, DROPPED),
                )
                dropped = db.changes()
                if dropped < DROPPED:
                    db.execute("DELETE FROM model WHERE stage = ?", (stage,))
            if dropped == DROPPED:
                self._connection.give_way()

    def names(self, content: int) -> str:
        rows = self._connection.rows(
            "SELECT root.path, folder, name FROM photo JOIN root ON root.id = root"
            " WHERE content = ? AND gone_at IS NULL ORDER BY photo.id LIMIT 100",
            (content,),
        )
        return row_values.name_words(rows)

    def _labels(self, content: int) -> str:
        """The labels of all tags of a content, as words."""
        rows = self._connection.rows(
            f"SELECT DISTINCT label FROM tag WHERE content = ? AND kind NOT IN ({_SILENT}) ORDER BY label",
            (content,),
        )
        return row_values.label_words(rows)
