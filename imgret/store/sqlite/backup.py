"""Copy an index while it is in use. A copy is checked, and appears under its name only when it is complete."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from collections.abc import Iterator

import apsw

from imgret.errors import IndexProblem
from imgret.store import file_lock
from imgret.store.sqlite import identity
from imgret.store.sqlite.opening import load_extension
from imgret.store.sqlite.sqlite_errors import problem, translated_errors

SUFFIX = ".part"  # of an incomplete copy


def backup(db: apsw.Connection, to: str, *, replace: bool = False) -> None:
    """Copy the committed state to the file `to`, with mode 0600. Others may write meanwhile.

    Without `replace`, raises IndexProblem if the file exists. The copy is checked before it appears under its name,
    and has a new identity. Raises ImgretError, naming the file that caused the error.
    """
    with temporary(to) as part:
        copy(db, part)
        with translated_errors(to):
            if replace:
                os.replace(part, to)
            else:
                _name(part, to)
            sync_folder(to)


def copy(db: apsw.Connection, part: str) -> str:
    """Copy the committed state to the empty file `part` and check it. Returns the identity of the copy."""
    db.set_progress_handler(lambda: False, 100_000)  # makes Ctrl-C work during the copy
    try:
        db.execute("VACUUM INTO ?", (part,))
    except apsw.Error as error:
        at_fault = db.filename if isinstance(error, apsw.CorruptError | apsw.NotADBError) else part
        raise problem(error, at_fault) from error
    finally:
        db.set_progress_handler(None)
    with translated_errors(part):
        fresh = identity.new()
        made = apsw.Connection(part)
        try:
            load_extension(made)
            made.pragma("journal_mode", "MEMORY")
            if made.execute("SELECT 1 FROM sqlite_master WHERE name = 'setting'").get:
                made.execute("INSERT OR REPLACE INTO setting VALUES (?, ?)", (identity.KEY, fresh))
            found = made.execute("PRAGMA quick_check(1)").get
        finally:
            made.close()
        if found != "ok":
            raise IndexProblem(
                f"the copy of {db.filename} is damaged: {found}", "Run `imgret doctor` to check the index."
            )
        fd = os.open(part, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
    return fresh


@contextlib.contextmanager
def temporary(to: str) -> Iterator[str]:
    """Create a temporary empty file in the folder of `to`, with mode 0600, and delete it afterwards.

    Such files of processes that were killed are deleted, too.
    """
    folder, name = os.path.split(os.path.abspath(to))
    with translated_errors(to):
        try:
            _remove_left(folder, name)
            fd, part = _created(folder, name)
        except (FileNotFoundError, NotADirectoryError):
            raise IndexProblem(f"there is no folder {folder}", "Make it, or name another file.") from None
    try:
        yield part
    finally:
        _unlink(part)
        os.close(fd)  # after SQLite, whose locks on the file it would release


def _created(folder: str, name: str) -> tuple[int, str]:
    """Create a file, which stays locked until it is closed: `_remove_left` of other processes leaves it alone."""
    while True:
        fd, part = tempfile.mkstemp(dir=folder, prefix=f"{name}.", suffix=SUFFIX)
        try:
            ours = (
                file_lock.taken(fd) and os.fstat(fd).st_nlink > 0
            )  # else it was deleted before it was locked
        except OSError:  # not all file systems have locks
            ours = True
        if ours:
            return fd, part
        _unlink(part)
        os.close(fd)


def _remove_left(folder: str, name: str) -> None:
    """Delete temporary files for the file `name` that no process has locked."""
    pattern = re.compile(re.escape(f"{name}.") + r"\w{8}" + re.escape(SUFFIX))
    for left in filter(pattern.fullmatch, os.listdir(folder)):
        part = os.path.join(folder, left)
        with contextlib.suppress(OSError):
            fd = os.open(part, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                if file_lock.taken(fd):
                    _unlink(part)
            finally:
                os.close(fd)


def _unlink(part: str) -> None:
    for side in ("", "-journal"):
        with contextlib.suppress(OSError):
            os.unlink(part + side)


def sync_folder(path: str) -> None:
    """Flush the folder of `path` to the disk, so that new names in it survive a power failure."""
    fd = os.open(os.path.dirname(path) or ".", os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _name(part: str, to: str) -> None:
    try:
        os.link(part, to)  # unlike a rename, it never replaces a file created meanwhile
    except FileExistsError:
        raise IndexProblem(f"{to} exists already", "Name a new file.") from None
    except OSError:  # a file system without hard links
        if os.path.lexists(to):
            raise IndexProblem(f"{to} exists already", "Name a new file.") from None
        os.rename(part, to)
