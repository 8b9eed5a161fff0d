"""What remains when a process is killed during a backup, and an index file whose content was lost."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from imgret.errors import IndexProblem
from imgret.store import file_lock
from imgret.store.factory import open_store, restore
from imgret.store.sqlite import identity
from imgret.store.sqlite.backup import backup


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """An index with one root, as left by a process that started indexing."""
    path = tmp_path / "index.db"
    with open_store(str(path)) as store:
        store.roots.add(b"/first")
        identity.renew(store)
    return path


def roots_in(path: Path) -> list[bytes]:
    with open_store(str(path)) as store:
        assert store.problems() == []
        return [root.path for root in store.roots.all()]


def test_what_a_killed_backup_left_is_deleted_by_the_next_one(path: Path, tmp_path: Path) -> None:
    left, busy = (tmp_path / f"b.db.{digit * 8}.part" for digit in "ab")
    journal = tmp_path / f"{left.name}-journal"
    others = [tmp_path / name for name in ("c.db.aaaaaaaa.part", "b.db.part")]
    for each in (left, busy, journal, *others):
        each.write_text("x")
    with busy.open() as writer, open_store(str(path)) as store:
        fcntl.flock(writer, fcntl.LOCK_EX)
        backup(store.db, str(tmp_path / "b.db"))
    assert [each for each in (left, busy, journal, *others) if each.exists()] == [busy, *others]
    assert roots_in(tmp_path / "b.db") == [b"/first"]


def test_a_backup_whose_file_another_one_took_for_left_begins_a_new_file(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files: list[Path] = []

    def deleted_before_it_was_locked(fd: int) -> bool:
        files.append(Path(os.readlink(f"/proc/self/fd/{fd}")))
        if len(files) == 1:
            files[0].unlink()
        return taken(fd)

    taken = file_lock.taken
    monkeypatch.setattr(file_lock, "taken", deleted_before_it_was_locked)
    with open_store(str(path)) as store:
        backup(store.db, str(tmp_path / "b.db"))
    assert len(files) == 2
    assert (tmp_path / "b.db").stat().st_mode & 0o777 == 0o600
    assert not list(tmp_path.glob("*.part"))


def test_an_index_that_lost_all_bytes_is_no_new_one(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    with open_store(str(path)) as store:
        backup(store.db, str(copy))
    os.truncate(path, 0)
    with pytest.raises(IndexProblem, match="all of its content was lost"):
        open_store(str(path))
    assert path.stat().st_size == 0
    restore(str(path), str(copy))
    assert roots_in(path) == [b"/first"]
    path.unlink()  # moved away
    assert roots_in(path) == []
