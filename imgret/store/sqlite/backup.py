"""Copies of an index: made while everything goes on, checked, and put in place at once or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator

import apsw

from imgret.errors import IndexProblem
from imgret.store.sqlite import identity
from imgret.store.sqlite.opening import load_extension
from imgret.store.sqlite.sqlite_errors import explained, problem

SUFFIX = ".part"  # of a copy that is being made


def backup(db: apsw.Connection, to: str, *, replace: bool = False) -> None:
    """Copy what is committed now to the file `to`, mode 0600, however much is written meanwhile.

    Without `replace` a file that is there already is an IndexProblem. The copy is checked before it appears
    under its name, and has an identity of its own. Raises ImgretError, naming the file that is at fault.
    """
    with temporary(to) as part:
        copy(db, part)
        with explained(to):
            if replace:
                os.replace(part, to)
            else:
                _name(part, to)
            sync_folder(to)


def copy(db: apsw.Connection, part: str) -> str:
    """Copy what is committed now to the empty file `part` and check it. -> the copy's identity."""
    db.set_progress_handler(lambda: False, 100_000)  # lets ctrl-C through
    try:
        db.execute("VACUUM INTO ?", (part,))
    except apsw.Error as error:
        at_fault = db.filename if isinstance(error, apsw.CorruptError | apsw.NotADBError) else part
        raise problem(error, at_fault) from error
    finally:
        db.set_progress_handler(None)
    with explained(part):
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
                f"the copy of {db.filename} is not sound: {found}", "`imgret doctor` says more."
            )
        fd = os.open(part, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
    return fresh


@contextlib.contextmanager
def temporary(to: str) -> Iterator[str]:
    """A new empty file of our own in the folder of `to`, mode 0600, which is removed in the end."""
    folder, name = os.path.split(os.path.abspath(to))
    with explained(to):
        try:
            fd, part = tempfile.mkstemp(dir=folder, prefix=f"{name}.", suffix=SUFFIX)
        except (FileNotFoundError, NotADirectoryError):
            raise IndexProblem(f"there is no folder {folder}", "Make it, or name another file.") from None
        os.close(fd)
    try:
        yield part
    finally:
        for side in ("", "-journal"):
            with contextlib.suppress(OSError):
                os.unlink(part + side)


def sync_folder(path: str) -> None:
    """The names in the folder of `path` are on the disk."""
    fd = os.open(os.path.dirname(path) or ".", os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _name(part: str, to: str) -> None:
    try:
        os.link(part, to)  # unlike a rename, it never replaces what came there meanwhile
    except FileExistsError:
        raise IndexProblem(f"{to} is there already", "Name a new file.") from None
    except OSError:  # a file system without links
        if os.path.lexists(to):
            raise IndexProblem(f"{to} is there already", "Name a new file.") from None
        os.rename(part, to)
