"""Writing notes: one, or thousands from JSON lines; through the daemon where there is one."""

from __future__ import annotations

import base64
import os
import sys
from collections.abc import Iterable, Iterator
from typing import BinaryIO

import msgspec
from msgspec import Struct

from imgret.cli import render
from imgret.cli.session import Session, absolute
from imgret.config import Settings
from imgret.errors import Exit, UsageError
from imgret.index import photos, results, work
from imgret.index.connection import Index
from imgret.photo import Stage

BATCH = 500  # notes a transaction


class NoteLine(Struct):
    """One line of an import. An empty or null note takes the photo's note back."""

    path: str
    note: str | None = None
    path_bytes: str | None = None  # base64, for a path that is not UTF-8


def photo_content(index: Index, settings: Settings, path: bytes) -> int:
    """The content at a path. UsageError, saying why, when it is not in the index or could not be read."""
    photo = photos.find(index, path)
    if photo is None or photo.gone_at is not None or photo.content is None:
        from imgret.state import photo_state

        state = photo_state(index, settings, path)
        raise UsageError(f"{render.shown(path)} is not in the index: {state.reason}")
    return photo.content


def write(here: Session, index: Index, notes: Iterable[tuple[int, str | None]]) -> None:
    """Keep notes: found as words at once, and by their meaning when their vectors are made again."""
    embed = Stage.EMBED in here.settings.stages()
    with index.writing(durable=True):
        for content, text in notes:
            results.write_note(index, content, text)
            if embed:
                work.queue(index, content, [Stage.EMBED])


def import_notes(here: Session, source: str) -> Exit:
    """Import `{"path": ..., "note": ...}` lines from a file or `-`. A relative path is relative to here.

    Bad lines are told with their number and skipped; the rest is kept.
    """
    kept = bad = 0
    with here.index() as index, _opened(source) as file:
        batch: list[tuple[int, str | None]] = []
        for number, line, problem in _lines(file):
            if line is None:
                render.say(f"{source}, line {number}: {problem}")
                bad += 1
                continue
            path = absolute(os.fsdecode(base64.b64decode(line.path_bytes) if line.path_bytes else line.path))
            try:
                batch.append((photo_content(index, here.settings, path), line.note))
            except UsageError as error:
                render.say(f"{source}, line {number}: {error}")
                bad += 1
            if len(batch) >= BATCH:
                write(here, index, batch)
                kept += len(batch)
                batch = []
        write(here, index, batch)
        kept += len(batch)
    render.say(f"{kept} notes kept" + (f", {bad} lines skipped" if bad else ""))
    return Exit.NO_HITS if bad else Exit.OK


def _lines(file: BinaryIO) -> Iterator[tuple[int, NoteLine | None, str]]:
    decoder = msgspec.json.Decoder(NoteLine)
    for number, raw in enumerate(file, 1):
        text = raw.removeprefix(b"\xef\xbb\xbf").strip()
        if not text:
            continue
        try:
            yield number, decoder.decode(text), ""
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            yield number, None, f"not a note: {error}"


def _opened(source: str) -> BinaryIO:
    if source == "-":
        return sys.stdin.buffer
    try:
        return open(os.path.expanduser(source), "rb")
    except OSError as error:
        raise UsageError(f"{source} cannot be read: {error.strerror}") from None
