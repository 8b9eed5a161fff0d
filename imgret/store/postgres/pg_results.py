"""What the stages found in a content and what the user wrote about it, and which model made each result.

Saving a result keeps the tags, the words index and the vectors in sync in the same transaction.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from imgret.photo import ModelIdentity, Tag
from imgret.stages import registry
from imgret.stages.interface import DECODE
from imgret.store import row_values
from imgret.store.policy import ARRIVED
from imgret.store.postgres.pg_connection import Connection
from imgret.store.postgres.pg_documents import Documents
from imgret.store.postgres.pg_models import Models
from imgret.store.postgres.pg_notes import Notes
from imgret.store.postgres.pg_own_texts import OwnTexts
from imgret.store.postgres.pg_pending_results import PendingResult, PendingResults
from imgret.store.postgres.pg_pending_work import PendingWork
from imgret.store.postgres.pg_vectors import Vectors
from imgret.store.records import IMPORTED, LABELS, SpaceTraits

AT_ONCE = 500  # contents whose tags are dropped in one transaction, or whose words are rebuilt together
DROPPED = 5_000  # results that are dropped in one transaction


class Results:
    """Implements `imgret.store.interface.descriptions.Results`."""

    def __init__(
        self,
        connection: Connection,
        models: Models,
        documents: Documents,
        own_texts: OwnTexts,
        notes: Notes,
        vectors: Vectors,
        pending: PendingResults,
        work: PendingWork,
    ) -> None:
        self._connection = connection
        self._models = models
        self._documents = documents
        self._own_texts = own_texts
        self._notes = notes
        self._vectors = vectors
        self._pending = pending
        self._work = work

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
        with self._connection.writing():
            if vectors is not None:
                assert space is not None
                self._vectors.save(content, identity, vectors, stage, space)
            made = msgspec.json.encode(payload).decode()
            model = self._models.id(stage, identity)
            self._pending.add(content, stage, PendingResult(model, made, int(time.time()), tags))
            self._documents.update(content, texts or {})

    def copy(self, source: int, target: int) -> set[str]:
        with self._connection.writing() as db:
            new = row_values.copied_stages(self.payloads(source), self.payloads(target))
            for table, columns in (
                ("stage_result", "stage, model, payload, made_at"),
                ("tag", "kind, label, stage, count"),
            ):
                db.execute(
                    f"INSERT INTO {table} (content, {columns})"
                    f" SELECT %s, {columns} FROM {table} WHERE content = %s AND stage = ANY (%s::text[])"
                    " ON CONFLICT DO NOTHING",
                    (target, source, list(new)),
                )
            self._documents.copy(source, target, new)
            self._vectors.copy(source, target, new)
            self.refresh_words(target)
            same_note = self.note(source) == self.note(target)
            of_notes = registry.installed().followers("note")
            return {stage for stage in self.identities(target) if same_note or stage not in of_notes}

    def payloads(self, content: int) -> dict[str, str]:
        rows = self._connection.rows_before(
            "SELECT content, stage, payload FROM stage_result WHERE content = ANY (%s::bigint[])", content
        )
        return {str(stage): str(payload) for stage, payload in rows} | self._pending.payloads(content)

    def twin(self, content: int, pixels: bytes, stages: Collection[str]) -> int | None:
        row = self._connection.row(
            "SELECT id FROM content WHERE pixels = %s AND id <> %s"
            " AND EXISTS (SELECT 1 FROM stage_result WHERE stage_result.content = content.id)"
            " AND NOT EXISTS (SELECT 1 FROM work WHERE work.content = content.id AND stage = ANY (%s::text[]))"
            " ORDER BY id LIMIT 1",
            (pixels, content, list(stages)),
        )
        return int(row[0]) if row else None

    def pixels(self, content: int) -> bytes | None:
        sql = "SELECT id, pixels FROM content WHERE id = ANY (%s::bigint[])"
        rows = self._connection.rows_of(sql, content)
        return rows[0][0] if rows else None

    def identities(self, content: int) -> dict[str, ModelIdentity]:
        rows = self._connection.rows(
            "SELECT r.stage, name, revision, settings FROM stage_result r JOIN model ON model.id = r.model"
            " WHERE content = %s",
            (content,),
        )
        return {stage: ModelIdentity(*rest) for stage, *rest in rows}

    def note(self, content: int) -> str | None:
        sql = "SELECT content, text FROM note WHERE content = ANY (%s::bigint[])"
        rows = self._connection.rows_before(sql, content)
        return str(rows[0][0]) if rows else None

    def noted_at(self, content: int) -> int | None:
        row = self._connection.row("SELECT written_at FROM note WHERE content = %s", (content,))
        return int(row[0]) if row else None

    def imported_tags(self, content: int) -> list[Tag]:
        rows = self._connection.rows_of(
            "SELECT content, kind, label FROM tag WHERE content = ANY (%s::bigint[]) AND stage = %s ORDER BY kind, label",
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
                        "DELETE FROM tag WHERE kind = %s AND label = %s AND content = %s AND stage = %s",
                        (tag.kind, tag.label, each, IMPORTED),
                    )
                for tag in new:
                    db.execute(
                        "INSERT INTO tag (kind, label, content, stage) VALUES (%s, %s, %s, %s)",
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
                        "INSERT INTO note (content, text, written_at) VALUES (%s, %s, %s) ON CONFLICT (content)"
                        " DO UPDATE SET text = excluded.text, written_at = excluded.written_at, path = NULL",
                        (each, text, int(time.time()) if at is None else at),
                    )
                    # Decoded before there were signatures: once more, so that an edit of it is recognized.
                    if db.execute(
                        "SELECT 1 FROM content WHERE id = %s AND format IS NOT NULL AND look IS NULL", (each,)
                    ).fetchone():
                        self._work.queue(each, [DECODE], ARRIVED)
                else:
                    db.execute("DELETE FROM note WHERE content = %s", (each,))
                self.refresh_words(each)
            return changed

    def refresh_words(self, content: int) -> None:
        self._documents.refresh(content)

    def rebuild_words(
        self, texts: Callable[[str, str], Mapping[str, str]], stages: Collection[str] | None = None
    ) -> None:
        after: int | None = 0
        while after is not None:
            with self._connection.writing():
                contents = self._documents.next(after, AT_ONCE)
                self._fill(texts, contents, self._documents.stages() if stages is None else stages)
                for content in contents:
                    self._documents.refresh(content)
                after = contents[-1] if contents else None

    def fill_columns(
        self, texts: Callable[[str, str], Mapping[str, str]], stages: Collection[str], after: int
    ) -> int | None:
        with self._connection.writing():
            contents = self._documents.next(after, AT_ONCE)
            self._fill(texts, contents, stages)
            return contents[-1] if contents else None

    def _fill(
        self, texts: Callable[[str, str], Mapping[str, str]], contents: list[int], stages: Collection[str]
    ) -> None:
        empty = self._documents.empty_texts(stages)
        found = {content: dict(empty) for content in contents}
        with self._connection.writing() as db:
            for content, stage, payload in db.execute(
                "SELECT content, stage, payload FROM stage_result WHERE content = ANY (%s::bigint[])"
                " AND stage = ANY (%s::text[])",
                (contents, list(stages)),
            ):
                words = texts(stage, payload)  # perhaps of a column that another host has dropped meanwhile
                found[content].update({name: words[name] for name in words.keys() & empty.keys()})
            for content, filled in found.items():
                self._documents.update(content, filled)

    def forget_stage(self, stage: str) -> None:
        """Drop the results and tags of a stage, in short transactions: others write in between."""
        while True:
            with self._connection.writing() as db:
                sql = "SELECT DISTINCT content FROM tag WHERE stage = %s LIMIT %s"
                tagged: list[Any] = db.execute(sql, (stage, AT_ONCE)).fetchall()
                if not tagged:
                    break
                for (content,) in tagged:
                    db.execute("DELETE FROM tag WHERE content = %s AND stage = %s", (content, stage))
                    self._documents.refresh(content, (LABELS,))
        dropped = DROPPED
        while dropped == DROPPED:
            with self._connection.writing() as db:
                dropped = db.execute(
                    "DELETE FROM stage_result WHERE (content, stage) IN (SELECT content, stage FROM stage_result"
                    " WHERE model IN (SELECT id FROM model WHERE stage = %s) LIMIT %s)",
                    (stage, DROPPED),
                ).rowcount
                if dropped < DROPPED:
                    self._models.forget(stage)

    def names(self, content: int) -> str:
        return self._own_texts.names([content])[content]
