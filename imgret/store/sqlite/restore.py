"""Replace an index with a backup, without mixing in changes of the previous index."""

from __future__ import annotations

import contextlib
import os
import time

import apsw

from imgret.errors import IndexBusy, IndexProblem, IndexTooNew
from imgret.store.sqlite import identity
from imgret.store.sqlite.backup import copy, sync_folder, temporary
from imgret.store.sqlite.locks import preparation_lock
from imgret.store.sqlite.migrate import version
from imgret.store.sqlite.opening import connect
from imgret.store.sqlite.sqlite_errors import translated_errors

_SQLITE = b"SQLite format 3\0"  # the header of every SQLite file
_NAME_ANOTHER = "Name a file that `imgret backup` made; nothing was changed."


def restore(path: str, source: str) -> str | None:
    """Replace the index at `path` with a copy of the backup `source`. Returns the new path of the previous index.

    The caller holds `writer_lock`, unless a daemon is running, which detects the new file. If the backup is
    missing, damaged, not an index or of a newer version, raises IndexProblem and changes nothing.
    """
    if not os.path.exists(source):
        raise IndexProblem(f"there is no file at {source}")
    if os.path.exists(path) and os.path.samefile(path, source):
        raise IndexProblem(f"{source} is the index itself", "Name a backup of it.")
    with translated_errors(path):
        os.makedirs(os.path.dirname(path) or ".", mode=0o700, exist_ok=True)
    with temporary(path) as part:
        fresh = _checked_copy(source, part)
        with translated_errors(path), preparation_lock(path) as fd:
            before = _set_aside(path, fd) if os.path.lexists(path) else None
            # The previous index is complete until here; its side files do not belong to the new one.
            os.replace(part, path)
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
            header = file.read(len(_SQLITE))
    except OSError as error:
        raise IndexProblem(f"{source} cannot be read: {error.strerror}", _NAME_ANOTHER) from None
    if header != _SQLITE:
        raise IndexProblem(f"{source} is not a backup of an index", _NAME_ANOTHER)
    with translated_errors(source):
        db = _opened(source)
        try:
            return copy(db, part)
        finally:
            db.close()


def _opened(source: str) -> apsw.Connection:
    """Open the backup and check it. Replaces hints of errors, which would be about the index in use."""
    try:
        with translated_errors(source):
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
    """Give the index a second name, under which its `-wal` and `-shm` can be renamed as well."""
    if not identity.read(fd):
        identity.write(fd, identity.stored(path))
    before = f"{path}.replaced-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}"
    try:
        os.link(path, before)
    except OSError:  # a file system without hard links
        os.rename(path, before)
    return before
