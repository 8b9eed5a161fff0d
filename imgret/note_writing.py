"""Writes notes to the index, for the commands, the daemon and the picker.

A saved note is found by its words at once, and by its meaning after the vectors that depend on it are
recomputed; this module queues that work.
"""

from __future__ import annotations

from collections.abc import Iterable

from imgret.config import Settings
from imgret.photo_state import noted_content
from imgret.requeue import read_notes
from imgret.store.interface import Store
from imgret.store.policy import ARRIVED


def write_notes(store: Store, settings: Settings, notes: Iterable[tuple[int, str | None]]) -> None:
    """Save (content, text) pairs in one durable transaction; an empty text or None deletes the note.

    Raises IndexProblem if the index cannot be written; then none of the notes is saved.
    """
    note_stages = read_notes(settings)
    with store.writing(durable=True):
        for content, text in notes:
            for changed in store.results.write_note(content, text):
                store.work.queue(changed, note_stages, ARRIVED)


def write_note_at(
    store: Store, settings: Settings, path: bytes, text: str | None, content_hash: bytes | None = None
) -> None:
    """Save the note of the photo at an absolute path; an empty text or None deletes it.

    `content_hash` is the BLAKE3 of the photo that the user saw at `path`: that photo gets the note, even if another
    one has its path by now. Raises UsageError if the index has no such photo, and as `write_notes`.
    """
    write_notes(store, settings, [(noted_content(store, path, content_hash), text)])
