"""What the models and the user said of a content: captions, boxes, topics, notes, and who made them.

Every result remembers the identity of its model. Saving one keeps the tables for filters (`detection`,
`topic`) and the words index true in the same transaction.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from imgret.photo import Description, Detection, ModelIdentity, Stage, View
from imgret.store.sqlite import documents, notes, vectors
from imgret.store.sqlite.connection import Index


def model_id(index: Index, stage: Stage, identity: ModelIdentity) -> int:
    """The row of a model; made on first use."""
    key = (stage.value, identity.name, identity.revision, identity.settings)
    where = "stage = ? AND name = ? AND revision = ? AND settings = ?"
    row = index.row(f"SELECT id FROM model WHERE {where}", key)
    if row is None:
        with index.writing() as db:
            db.execute("INSERT INTO model (stage, name, revision, settings) VALUES (?, ?, ?, ?)", key)
            return db.last_insert_rowid()
    return int(row[0])


def save_caption(index: Index, content: int, identity: ModelIdentity, caption: str) -> None:
    """The caption of a content."""
    _save(index, content, Stage.CAPTION, identity, caption)


def save_detections(
    index: Index, content: int, identity: ModelIdentity, found: Sequence[Detection], counts: Mapping[str, int]
) -> None:
    """The boxes of a content, and its counts by label for `dog>=2`."""
    with index.writing() as db:
        _save(index, content, Stage.DETECT, identity, list(found))
        db.execute("DELETE FROM detection WHERE content = ?", (content,))
        db.executemany(
            "INSERT INTO detection (label, content, count) VALUES (?, ?, ?)",
            [(label, content, count) for label, count in counts.items()],
        )


def save_topics(index: Index, content: int, identity: ModelIdentity, topics: Collection[str]) -> None:
    """The topics of a content's caption."""
    with index.writing() as db:
        _save(index, content, Stage.TOPICS, identity, list(topics))
        db.execute("DELETE FROM topic WHERE content = ?", (content,))
        db.executemany("INSERT OR IGNORE INTO topic VALUES (?, ?)", [(topic, content) for topic in topics])


def save_vectors(
    index: Index, content: int, identity: ModelIdentity, found: Mapping[View, NDArray[np.float32]]
) -> None:
    """The vectors of a content's views, and the record that this embedder made them."""
    with index.writing():
        vectors.save(index, content, identity, found)
        _save(index, content, Stage.EMBED, identity, sorted(view.value for view in found))


def copy(index: Index, source: int, target: int) -> set[Stage]:
    """Give `target` all that models said of `source`: both have the same pixels. Notes stay where they are.

    -> the stages that `target` has now; without EMBED when their notes, and so their vectors, differ.
    """
    with index.writing() as db:
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
        vectors.copy(index, source, target)
        refresh_words(index, target)
        same_note = note(index, source) == note(index, target)
        return {stage for stage in identities(index, target) if same_note or stage is not Stage.EMBED}


def twin(index: Index, content: int, pixels: bytes, stages: Collection[Stage]) -> int | None:
    """Another content with the same upright pixels for which none of `stages` is still to do, or None."""
    undone = ",".join(f"'{stage.value}'" for stage in stages)
    row = index.row(
        "SELECT id FROM content WHERE pixels = ? AND id <> ?"
        " AND EXISTS (SELECT 1 FROM stage_result WHERE content = id)"
        f" AND NOT EXISTS (SELECT 1 FROM work WHERE content = id AND stage IN ({undone})) ORDER BY id LIMIT 1",
        (pixels, content),
    )
    return int(row[0]) if row else None


def pixels(index: Index, content: int) -> bytes | None:
    """The BLAKE3 of a content's upright pixels; None before it was decoded."""
    row = index.row("SELECT pixels FROM content WHERE id = ?", (content,))
    return row[0] if row else None


def description(index: Index, content: int) -> Description:
    """All that is known of a content."""
    rows = {
        Stage(stage): payload
        for stage, payload in index.rows(
            "SELECT stage, payload FROM stage_result WHERE content = ?", (content,)
        )
    }

    def told(stage: Stage, kind: Any) -> Any:
        return msgspec.json.decode(rows[stage], type=kind) if stage in rows else None

    return Description(
        caption=told(Stage.CAPTION, str),
        detections=told(Stage.DETECT, tuple[Detection, ...]),
        topics=told(Stage.TOPICS, tuple[str, ...]),
        note=note(index, content),
    )


def identities(index: Index, content: int) -> dict[Stage, ModelIdentity]:
    """Which model made each result of a content."""
    rows = index.rows(
        "SELECT r.stage, name, revision, settings FROM stage_result r JOIN model ON model.id = r.model"
        " WHERE content = ?",
        (content,),
    )
    return {Stage(stage): ModelIdentity(*rest) for stage, *rest in rows}


def note(index: Index, content: int) -> str | None:
    """The user's own words about a content."""
    row = index.row("SELECT text FROM note WHERE content = ?", (content,))
    return str(row[0]) if row else None


def write_note(index: Index, content: int, text: str | None) -> list[int]:
    """Keep the user's words about a content, or take them back with None or an empty text.

    Was the photo edited since the user saw it, its edits get the same note. -> the contents that changed.
    They are found as words at once; the vectors that follow from them are queued by `work.queue`.
    """
    text = (text or "").strip()
    with index.writing() as db:
        changed = [content, *notes.later_edits(index, content)]
        for each in changed:
            notes.noted(index, each)
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
            refresh_words(index, each)
        return changed


def refresh_words(index: Index, content: int) -> None:
    """Bring the words of a content up to date: caption, labels, note, and the names of all its paths."""
    with index.writing() as db:
        known = description(index, content)
        labels = [
            label
            for (label,) in db.execute(
                "SELECT label FROM detection WHERE content = ? UNION SELECT label FROM topic WHERE content = ?",
                (content, content),
            )
        ]
        documents.save(
            index,
            content,
            caption=known.caption or "",
            labels=" ".join(label.replace("_", " ") for label in labels),
            note=known.note or "",
            names=names(index, content),
        )


def rebuild_words(index: Index) -> None:
    """Make the words index and its documents anew from the results, the notes and the names."""
    with index.writing() as db:
        documents.rebuild(index)  # first, so that FTS5 and the documents that are replaced agree
        for (content,) in db.execute("SELECT content FROM document").fetchall():
            refresh_words(index, int(content))  # type: ignore[arg-type]


def names(index: Index, content: int) -> str:
    """The words of the file and folder names under which a content lies, each once; of a hundred at most."""
    found: dict[str, None] = {}
    rows = index.rows(
        "SELECT root.path, folder, name FROM photo JOIN root ON root.id = root"
        " WHERE content = ? AND gone_at IS NULL ORDER BY photo.id LIMIT 100",
        (content,),
    )
    for root, folder, name in rows:
        found.update(dict.fromkeys(documents.name_words(root, folder, name).split()))
    return " ".join(found)


def _save(index: Index, content: int, stage: Stage, identity: ModelIdentity, payload: object) -> None:
    with index.writing() as db:
        db.execute(
            "INSERT OR REPLACE INTO stage_result (content, stage, model, payload, made_at)"
            " VALUES (?, ?, ?, ?, ?)",
            (
                content,
                stage.value,
                model_id(index, stage, identity),
                msgspec.json.encode(payload).decode(),
                int(time.time()),
            ),
        )
