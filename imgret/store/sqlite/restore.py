"""Put a backup in the place of an index, so that nothing of the index before gets into it."""

from __future__ import annotations

import contextlib
import os
import time

import apsw

from imgret.errors import IndexBusy, IndexProblem, IndexTooNew
from imgret.store.sqlite import identity
from imgret.store.sqlite.backup import copy, sync_folder, temporary
from imgret.store.sqlite.locks import preparing
from imgret.store.sqlite.migrate import version
from imgret.store.sqlite.opening import connect
from imgret.store.sqlite.sqlite_errors import explained

_SQLITE = b"SQLite format 3\0"  # how each of its files begins
_NAME_ANOTHER = "Name a file that `imgret backup` made; nothing was changed."


def restore(path: str, source: str) -> str | None:
    """Put the backup `source` in the place of the index at `path`. -> where the index before it lies now.

    The caller holds the lock of `writer`, or knows that a daemon is running, which notices it. A backup that is
    missing, damaged, no index or of a later version is an IndexProblem, and nothing is changed.
    """
    if not os.path.exists(source):
        raise IndexProblem(f"there is no file at {source}")
    if os.path.exists(path) and os.path.samefile(path, source):
        raise IndexProblem(f"{source} is the index itself", "Name a backup of it.")
    with explained(path):
        os.makedirs(os.path.dirname(path) or ".", mode=0o700, exist_ok=True)
    with temporary(path) as part:
        fresh = _checked_copy(source, part)
        with explained(path), preparing(path) as fd:
            before = _set_aside(path, fd) if os.path.lexists(path) else None
            os.replace(
                part, path
            )  # until here the old index is whole; what lies beside it is foreign from now on
            for side in ("-wal", "-shm"):
                with contextlib.suppress(FileNotFoundError):
                    if before is None:
                        os.unlink(path + side)
                    else:
                        os.rename(path + side, before + side)
            identity.write(fd, fresh)
            sync_folder(path)
    return before


def _checked_copy(source: str, part: str) -> str:
    try:
        with open(source, "rb") as file:
            begins = file.read(len(_SQLITE))
    except OSError as error:
        raise IndexProblem(f"{source} cannot be read: {error.strerror}", _NAME_ANOTHER) from None
    if begins != _SQLITE:
        raise IndexProblem(f"{source} is not a backup of an index", _NAME_ANOTHER)
    with explained(source):
        db = _opened(source)
        try:
            return copy(db, part)
        finally:
            db.close()


def _opened(source: str) -> apsw.Connection:
    """The backup, whole. Hints that are about the index in use would mislead here."""
    try:
        with explained(source):
            db, _ = connect(source)
            try:
                if version(db) == 0:
                    raise IndexProblem(f"{source} is empty")
                found = str(db.execute("PRAGMA integrity_check(1)").get)
                if found != "ok":
                    raise IndexProblem(f"{source} is damaged: {' '.join(found.split())}")
            except BaseException:
                db.close()
                raise
            return db
    except (IndexTooNew, IndexBusy):
        raise
    except IndexProblem as error:
        raise IndexProblem(str(error), _NAME_ANOTHER) from error


def _set_aside(path: str, fd: int) -> str:
    """Give the index a second name, to which its `-wal` and `-shm` can follow."""
    if not identity.known(fd):
        identity.write(fd, identity.stored(path))
    before = f"{path}.replaced-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}"
    try:
        os.link(path, before)
    except OSError:  # a file system without links
        os.rename(path, before)
    return before
