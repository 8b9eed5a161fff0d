"""Write notes to the index, one or thousands from JSON lines, and have the changed texts embedded."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from imgret import inputs
from imgret.cli import console
from imgret.cli.boundary import as_imgret_error
from imgret.cli.daemon_link import daemon_state
from imgret.cli.json_lines import PhotoLine, numbered_lines, opened, photo_line
from imgret.cli.session import Session, absolute
from imgret.client.running import STATUS_SECONDS
from imgret.client.socket_client import request
from imgret.config import Settings
from imgret.errors import Exit, ImgretError, UsageError
from imgret.note_writing import write_notes
from imgret.photo_state import EXCLUDED, FAILED
from imgret.requeue import read_notes
from imgret.store.interface import Store
from imgret.weights import WORDLLAMA

BATCH = 500  # notes per transaction
SHOWN = 300  # characters of a message about a bad line

_Numbered = tuple[int, tuple[int, str | None]]  # line number, (content, note)


class NoteLine(PhotoLine):
    """One line of an import. An empty or null note deletes the note of the photo."""

    note: str | None = None


def photo_content(store: Store, settings: Settings, path: bytes) -> int:
    """Return the content at a path, even if the file was moved, copied or renamed there since the last scan.

    Raises UsageError with the reason if it is not in the index or could not be read.
    """
    from imgret.photo_state import content_elsewhere, content_now, photo_state

    photo = store.photos.find(path)
    if photo is not None and photo.gone_at is None and photo.content is not None:
        return content_now(store, photo) or photo.content

    state = photo_state(store, settings, path)
    content = content_elsewhere(store, path) if state.state != EXCLUDED else None
    if content is None and state.state == FAILED:
        raise UsageError(str(state.reason), "Only a photo that was read can have a note.")
    if content is None:
        raise UsageError(f"{console.shown(path)} is not in the index: {state.reason}")
    return content


def embed_now(here: Session, store: Store, contents: Collection[int], *, deleted: bool = False) -> None:
    """Have the vectors of new notes computed by the daemon, or here if that is fast; otherwise report that they are due.

    `deleted` says that a note was deleted: photos are found by its meaning until then.
    """
    contents = set(contents)
    if not contents or not read_notes(here.settings):
        return
    state = daemon_state(here)
    now, then = (
        ("the note is deleted, and photos are found by its meaning", "until")
        if deleted
        else ("the note is found by its words now, and by its meaning", "after")
    )
    try:
        if state is not None and "pid" in state:
            request(here.places.socket, "retry", {}, STATUS_SECONDS)
            if state.get("paused"):
                console.message(f"{now} {then} `imgret resume`: the daemon is paused")
            return
        left = _embedded_here(here, store, contents)
    except ImgretError as error:
        console.message(f"{now} {then} this is mended: {error.advice}")
        return
    if left:
        console.message(f"{now} {then} the next `imgret index`")


def _embedded_here(here: Session, store: Store, contents: Collection[int]) -> int:
    """Embed in this process if that needs no torch model. Return the number of contents left to embed."""
    from imgret.embed_now import EMBED, embed_now
    from imgret.pipeline.loading import identities, load_model
    from imgret.stages import registry
    from imgret.store.factory import writer_lock

    wanted = identities(here.settings, here.places).get(EMBED)
    if wanted is None or wanted.name != WORDLLAMA:
        return len(contents)
    with writer_lock(here.places.index):
        return embed_now(store, load_model(registry.own()[EMBED], here.settings, here.places), contents)


def import_notes(here: Session, source: str) -> Exit:
    """Import `{"path": ..., "note": ...}` lines from a file or `-`. Relative paths are relative to the current
    folder. Bad lines are reported with their number and skipped; all others are saved.
    """
    bad = 0
    noted: set[int] = set()
    saved = 0

    def skip(number: int, problem: str) -> None:
        nonlocal bad
        bad += 1
        console.message(f"{source}, line {number}: {_shortened(problem)}")

    def save(batch: list[_Numbered]) -> None:
        nonlocal saved
        failed = _write_each(here, store, batch)
        for number, problem in failed:
            skip(number, problem)
        saved += len(batch) - len(failed)
        noted.update(content for _, (content, _) in batch)
        batch.clear()

    with here.index() as store, opened(source) as file:
        batch: list[_Numbered] = []
        for number, raw in numbered_lines(file):
            try:
                batch.append((number, _read(raw, store, here.settings)))
            except UsageError as error:
                skip(number, str(error))
            except ImgretError:
                raise  # the index or its disk failed: every further line would fail too
            except Exception as error:  # an unforeseen failure of one line must not stop the import
                skip(number, str(as_imgret_error(error)))
            if len(batch) >= BATCH:
                save(batch)
        save(batch)
        result = f"{console.counted(saved, 'note')} saved"
        console.message(result + (f", {bad} {'line' if bad == 1 else 'lines'} skipped" if bad else ""))
        embed_now(here, store, noted)
    return Exit.NO_HITS if bad else Exit.OK


def _write_each(here: Session, store: Store, batch: Sequence[_Numbered]) -> list[tuple[int, str]]:
    """Write these notes, together or else one by one. Return (line, problem) of those that could not be written."""
    try:
        write_notes(store, here.settings, [note for _, note in batch])
        return []
    except ImgretError:
        raise
    except Exception as error:
        if len(batch) == 1:
            return [(batch[0][0], str(as_imgret_error(error)))]
    return [failure for each in batch for failure in _write_each(here, store, [each])]


def _read(raw: bytes | None, store: Store, settings: Settings) -> tuple[int, str | None]:
    """Return a line of an import as (content, note). Raises UsageError if it is invalid."""
    line, path = photo_line(raw, NoteLine, "an object with a note")
    text = None if line.note is None else inputs.clean_note(line.note)
    return photo_content(store, settings, absolute(path)), text


def _shortened(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
