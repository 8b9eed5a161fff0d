"""The state of one photo: everything in the index about it, and why searches do not find it."""

from __future__ import annotations

import os
import stat
import time
from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec import Struct

from imgret import disk_calls, stage_results
from imgret.config import Settings
from imgret.decode.hashing import content_hash
from imgret.disk_calls import NotResponding
from imgret.errors import PhotoError, UsageError
from imgret.exclude import Exclude
from imgret.photo import Facts, ModelIdentity, Photo, PhotoDate, file_stat_of
from imgret.skipped import why_not_entered
from imgret.store import paths, policy, row_values
from imgret.store.interface import Store

DESCRIBED, PENDING, FAILED, EXCLUDED, OFFLINE, UNKNOWN = (
    "described",
    "pending",
    "failed",
    "excluded",
    "offline",
    "unknown",
)


class PhotoState(Struct, frozen=True):
    """Everything known about a path."""

    path: bytes
    state: str  # described, pending, failed, excluded, offline or unknown
    reason: str | None  # why it is not described, and what to do
    photo: Photo | None = None
    facts: Facts | None = None
    date: PhotoDate | None = None
    shown: dict[str, Any] = {}  # keys of its JSON from the results of its stages: `caption`, `objects`, ...
    note: str | None = None
    models: dict[str, ModelIdentity] = {}  # by stage
    waiting: tuple[str, ...] = ()  # stages whose weights are missing
    due: frozenset[str] = frozenset()  # stages that are still to run, including those without weights
    other_paths: tuple[bytes, ...] = ()


def photo_state(store: Store | None, settings: Settings, path: bytes) -> PhotoState:
    """Return the state of the file at an absolute path. Neither the index nor the file has to exist."""
    try:
        return _state(store, settings, path)
    except NotResponding as error:
        return PhotoState(path, UNKNOWN, str(error))


def _state(store: Store | None, settings: Settings, path: bytes) -> PhotoState:
    photo = store.photos.find(path) if store is not None else None
    if store is None or photo is None or photo.gone_at is not None:
        absent = _not_in_index(store, settings, path, photo)
        if store is None or absent.state == EXCLUDED:
            return absent
        moved = content_elsewhere(store, path)
        if moved is None:
            return absent
        where = f"; {absent.reason}" if store.roots.enclosing(os.path.dirname(path)) is None else ""
        found = _known(store, path, None, moved)
        reason = found.reason or f"it was moved or copied here since the last scan{where}"
        return msgspec.structs.replace(found, reason=reason)
    if photo.content is None:
        return PhotoState(path, FAILED, _unread(store, photo) or "it could not be read yet", photo)
    return _known(store, path, photo, photo.content)


def content_elsewhere(store: Store, path: bytes) -> int | None:
    """Return the content of a file that was moved or copied to `path` since the last scan; None if it is not known.

    Reads the file only if the index has a photo of the same size. Returns None for a file that cannot be read. Raises
    NotResponding.
    """
    try:
        status = disk_calls.call(path, lambda: os.lstat(path))
        if not stat.S_ISREG(status.st_mode) or not store.photos.known_size(status.st_size):
            return None
        return store.contents.content_named(content_hash(path))
    except (OSError, PhotoError):
        return None


def content_now(store: Store, photo: Photo) -> int | None:
    """Return the content of the file that is at the path of a photo now.

    Names may have been exchanged since the last scan, so another photo of the index counts if the size or the time of the
    file differ. Bytes that the index does not have may be an edit: the content that it has at this path gets the note, which
    follows the edit.
    """
    if not photo.online:
        return photo.content
    try:
        seen = disk_calls.call(os.path.dirname(photo.path), lambda: file_stat_of(os.lstat(photo.path)))
        if seen[:2] == photo.file_stat[:2]:
            return photo.content
        found = content_elsewhere(store, photo.path)
    except (OSError, NotResponding):
        return photo.content
    return photo.content if found is None else found


def noted_content(store: Store, path: bytes, seen: bytes | None = None) -> int:
    """Return the content that a note about the photo at an absolute path belongs to.

    `seen` is the BLAKE3 of the photo that the user saw at `path`. That photo gets the note even if it was moved since
    and another one has its path now. Raises UsageError if the index does not contain the photo.
    """
    if seen is not None:
        content = store.contents.content_named(seen)
        if content is not None and (store.photos.paths(content) or store.notes.later_edits(content)):
            return content
        raise UsageError(
            f"{os.fsdecode(path)} is no longer the photo that this note is about", "Search again."
        )
    photo = store.photos.find(path)
    present = photo is not None and photo.gone_at is None
    found = photo.content if photo is not None and present else None
    found = found if found is not None else content_elsewhere(store, path)
    if found is None:
        raise UsageError(f"{os.fsdecode(path)} is not in the index", "`imgret show` gives the reason.")
    return found


def _known(store: Store, path: bytes, photo: Photo | None, content: int) -> PhotoState:
    """Return the state of a content at `path`; `photo` is None if the index does not have that path yet."""
    unread = _unread(store, photo) if photo is not None else None
    todo = store.work.of(content)
    waiting = tuple(sorted(store.summary.waiting_stages().intersection(todo)))
    state, reason = DESCRIBED, None
    errors = {stage: row for stage, row in todo.items() if row[2]}
    if photo is not None and not photo.online:
        state, reason = OFFLINE, _offline(store, path)
    elif unread:
        state, reason = FAILED, unread
    elif errors:
        attempts, not_before, error = next(iter(errors.values()))
        state = FAILED
        reason = f"{row_values.named(error or '', path)} ({retry_text(attempts, not_before)})"
    elif set(todo) - set(waiting):
        state = PENDING
        what = ", ".join(sorted(set(todo) - set(waiting)))
        reason = f"waiting for {what}: run `imgret index`, or wait for the daemon"
    elif waiting:
        reason = f"without {', '.join(waiting)}: `imgret status` gives the reason"
    others = tuple(p.path for p in store.photos.paths(content) if p.path != path)
    return PhotoState(
        path,
        state,
        reason,
        photo,
        store.contents.facts(content),
        store.contents.date(content),
        stage_results.shown(stage_results.described(store, content)),
        store.results.note(content),
        store.results.identities(content),
        waiting,
        frozenset(
            stage for stage, (tries, _, error) in todo.items() if not error or tries < policy.MAX_ATTEMPTS
        ),
        others,
    )


def _not_in_index(store: Store | None, settings: Settings, path: bytes, photo: Photo | None) -> PhotoState:
    mode = disk_calls.call(path, lambda: _mode(path))
    if photo is not None and photo.gone_at is not None and mode is None:
        when = datetime.fromtimestamp(photo.gone_at, UTC).strftime("%Y-%m-%d")
        return PhotoState(
            path, UNKNOWN, f"it was deleted or moved by {when}; the index keeps it for 30 days", photo
        )
    if mode is None:
        return PhotoState(path, UNKNOWN, "there is no such file")
    if stat.S_ISLNK(mode):
        return PhotoState(
            path, EXCLUDED, "a symbolic link: its target is indexed if it is in an indexed folder"
        )
    if not stat.S_ISREG(mode):
        what = "it is a folder" if stat.S_ISDIR(mode) else "it is not a regular file"
        return PhotoState(path, EXCLUDED, what)
    enclosing = store.roots.enclosing(os.path.dirname(path)) if store is not None else None
    rules = Exclude(settings.exclude, hidden=settings.hidden)
    inside = paths.relative(enclosing[0].path, path) if enclosing else os.path.basename(path)
    why = rules.explain(inside or b"")
    if why is None and enclosing is not None:
        root, folder = enclosing[0].path, os.path.dirname(inside or b"")
        why = disk_calls.call(root, lambda: why_not_entered(root, folder, rules))
    if why:
        return PhotoState(path, EXCLUDED, why)
    if enclosing is None:
        return PhotoState(path, UNKNOWN, "its folder is not known; run `imgret index` or `imgret add` on it")
    return PhotoState(path, PENDING, "it is new; run `imgret index`, or wait for the daemon")


def _mode(path: bytes) -> int | None:
    """Return the mode of the file at `path`; None if there is none."""
    try:
        return os.lstat(path).st_mode
    except (OSError, ValueError):
        return None


def _unread(store: Store, photo: Photo) -> str | None:
    failure = store.failures.unreadable(photo)
    return f"{failure.error} ({retry_text(failure.attempts, failure.not_before)})" if failure else None


def _offline(store: Store, path: bytes) -> str:
    place = store.roots.root_of(path)
    if place is None:
        return "its disk is offline"
    root, folder, _name = place
    reasons = [root.reason] + [
        mount.reason
        for mount in store.roots.mounts(root.id)
        if paths.relative(mount.folder, folder) is not None
    ]
    return next((f"its disk is offline: {reason}" for reason in reasons if reason), "its disk is offline")


def retry_text(attempts: int, not_before: int) -> str:
    """Return when a photo that failed `attempts` times is tried again; `not_before`: seconds since 1970."""
    if attempts >= policy.MAX_ATTEMPTS:
        return f"set aside after {attempts} tries; `imgret retry` tries again"
    seconds = not_before - int(time.time())
    when = "with the next `imgret index`" if seconds <= 0 else f"in {seconds // 60 + 1} min"
    return f"try {attempts} of {policy.MAX_ATTEMPTS}, again {when}" if attempts else f"tried again {when}"
