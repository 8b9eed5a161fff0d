"""The identity of an index: backups, restored backups, files replaced by other programs, and concurrent starts."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw
import pytest

from imgret.errors import IndexProblem, IndexReplaced
from imgret.store.factory import open_store, restore, writer_lock
from imgret.store.sqlite import file_ids, identity
from imgret.store.sqlite.backup import backup
from imgret.store.sqlite.migrate import APPLICATION_ID, migrate, migrations


def roots_in(path: Path | str) -> list[bytes]:
    with open_store(str(path)) as store:
        assert store.problems() == []
        return [root.path for root in store.roots.all()]


def sound(path: Path) -> bool:
    db = sqlite3.connect(path)
    try:
        return bool(db.execute("PRAGMA integrity_check").fetchone() == ("ok",))
    finally:
        db.close()


def in_a_process(code: str, *arguments: object, **options: object) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.PIPE, **options)  # type: ignore[call-overload,no-any-return]


def ended(code: str, *arguments: object) -> int:
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], check=False, timeout=60
    ).returncode


def killed_with_changes(path: Path, *added: str) -> None:
    """Add roots in a process that is killed while they are in the `-wal` only."""
    code = (
        "import os, sys\nfrom imgret.store.factory import open_store\n"
        "index = open_store(sys.argv[1])\n"
        "for name in sys.argv[2:]:\n    index.roots.add(os.fsencode(name))\n"
        "os.kill(os.getpid(), 9)"
    )
    assert ended(code, path, *added) == -9
    assert os.path.getsize(f"{path}-wal") > 0


@contextmanager
def held_open(path: Path) -> Iterator[None]:
    """Keep the index open in another process that has written to it."""
    code = (
        "import sys\nfrom imgret.store.factory import open_store\n"
        "index = open_store(sys.argv[1])\nindex.roots.add(b'/of-the-other')\nprint('open', flush=True)\n"
        "sys.stdin.read()\nimport os\nos._exit(0)"
    )
    process = in_a_process(code, path)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"open\n"
        yield
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """An index with one root, as left by a process that started indexing."""
    path = tmp_path / "index.db"
    with open_store(str(path)) as store:
        store.roots.add(b"/first")
        identity.renew(store)
    return path


@pytest.fixture
def copy(path: Path, tmp_path: Path) -> Path:
    """A backup of it."""
    with open_store(str(path)) as store:
        backup(store.db, str(tmp_path / "copy.db"))
    return tmp_path / "copy.db"


def test_a_backup_is_a_complete_private_index_with_its_own_identity(path: Path, copy: Path) -> None:
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert sound(copy)
    assert file_ids.setting(str(copy), identity.KEY) not in (
        "",
        None,
        file_ids.setting(str(path), identity.KEY),
    )
    with open_store(str(path)) as store, pytest.raises(IndexProblem, match="exists already"):
        backup(store.db, str(copy))
    assert roots_in(copy) == [b"/first"]
    assert not list(copy.parent.glob("*.part"))


def test_a_backup_completes_during_continuous_writes(path: Path, tmp_path: Path) -> None:
    stop = threading.Event()

    def write() -> None:
        with open_store(str(path)) as store:
            number = 0
            while not stop.is_set():
                store.remember(f"key {number % 50}", "x" * 5000)
                number += 1

    thread = threading.Thread(target=write)
    thread.start()
    try:
        with open_store(str(path)) as store:
            for number in range(3):
                backup(store.db, str(tmp_path / f"{number}.db"))
    finally:
        stop.set()
        thread.join()
    assert all(sound(tmp_path / f"{number}.db") for number in range(3))


def test_a_backup_copied_over_an_index_after_a_crash_gets_none_of_its_changes(path: Path, copy: Path) -> None:
    killed_with_changes(path, "/second", "/third")
    shutil.copyfile(copy, path)
    assert roots_in(path) == [b"/first"]
    assert sound(path)
    assert os.path.exists(f"{path}-wal.replaced")
    killed_with_changes(
        path, "/fourth"
    )  # again: the identity of the restored index differs from that of the backup
    shutil.copyfile(copy, path)
    assert roots_in(path) == [b"/first"]


def test_a_copy_made_by_cp_is_detected_too(path: Path, tmp_path: Path) -> None:
    shutil.copyfile(path, tmp_path / "plain.db")
    with open_store(str(path)) as store:
        identity.renew(store)  # as every process does when it starts indexing
    killed_with_changes(path, "/second")
    shutil.copyfile(tmp_path / "plain.db", path)
    assert roots_in(path) == [b"/first"]


def test_a_crash_alone_loses_nothing(path: Path) -> None:
    killed_with_changes(path, "/second")
    assert roots_in(path) == [b"/first", b"/second"]
    assert not os.path.exists(f"{path}-wal.replaced")


def test_a_crash_between_two_identities_loses_nothing(path: Path) -> None:
    code = (
        "import os, sys\nfrom imgret.store.sqlite import identity\nfrom imgret.store.factory import open_store\n"
        "other = open_store(sys.argv[1])\nwith other.reading() as db:\n"
        "    db.execute('SELECT * FROM root').fetchall()\n"  # a reader, which prevents a checkpoint
        "    index = open_store(sys.argv[1])\n    index.roots.add(b'/second')\n"
        "    index.db.set_busy_timeout(1)\n    identity.renew(index)\n    index.roots.add(b'/third')\n"
        "    os.kill(os.getpid(), 9)"
    )
    assert ended(code, path) == -9
    assert roots_in(path) == [b"/first", b"/second", b"/third"]


def test_a_whole_folder_copied_after_a_crash_loses_nothing(path: Path, tmp_path: Path) -> None:
    killed_with_changes(path, "/second")
    shutil.copytree(path.parent, tmp_path.parent / "elsewhere")
    assert roots_in(tmp_path.parent / "elsewhere" / path.name) == [b"/first", b"/second"]


@pytest.mark.parametrize("own", [True, False], ids=["a backup", "a plain copy"])
def test_a_file_moved_here_is_not_mixed_with_the_one_another_process_uses(
    path: Path, copy: Path, own: bool
) -> None:
    if not own:
        shutil.copyfile(path, copy)
    with held_open(path):
        os.replace(copy, path)
        with open_store(str(path)) as store:
            store.roots.add(b"/after")
    assert roots_in(path) == [b"/after", b"/first"]
    assert sound(path)


def test_a_process_with_the_previous_file_open_does_not_write_to_it(path: Path, copy: Path) -> None:
    with open_store(str(path)) as store:
        os.replace(copy, path)
        with pytest.raises(IndexReplaced, match="was replaced or removed"):
            store.remember("key", "value")
        os.unlink(path)
        with pytest.raises(IndexReplaced):
            store.roots.add(b"/second")


def test_a_watch_detects_every_other_file_and_nothing_else(path: Path, copy: Path) -> None:
    with open_store(str(path)) as store:
        watch = identity.Watch(str(path))
        for number in range(50):
            store.remember(f"key {number}", "x" * 8000)
        assert store.checkpoint()
        assert watch.change() is None
    with open_store(str(path)) as store:
        identity.renew(store)
    assert watch.change() is None
    shutil.copyfile(copy, path)
    assert "was overwritten" in (watch.change() or "")
    os.replace(copy, path)
    assert "was replaced" in (watch.change() or "")
    shutil.rmtree(path.parent)
    assert "was removed" in (watch.change() or "")


def test_reading_the_file_releases_no_lock_of_a_connection_of_this_process(path: Path) -> None:
    probe = (
        "import sys\nfrom imgret.store.sqlite import file_ids\nprint(file_ids.used_by_others(sys.argv[1]))"
    )
    with open_store(str(path)) as store:
        store.roots.add(b"/second")
        identity.Watch(str(path)).change()
        assert file_ids.setting(str(path), identity.KEY)
        open_store(str(path)).close()
        assert in_a_process(probe, path).communicate()[0] == b"True\n"
    assert in_a_process(probe, path).communicate()[0] == b"False\n"


def test_restore_replaces_the_index_and_keeps_the_previous_one(path: Path, copy: Path) -> None:
    killed_with_changes(path, "/second")
    before = restore(str(path), str(copy))
    assert before is not None
    assert roots_in(path) == [b"/first"]
    assert roots_in(before) == [b"/first", b"/second"]  # including the changes in its -wal
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert roots_in(copy) == [b"/first"]


def test_restore_without_an_existing_index(copy: Path, tmp_path: Path) -> None:
    target = tmp_path / "new" / "index.db"
    assert restore(str(target), str(copy)) is None
    assert roots_in(target) == [b"/first"]


@pytest.mark.parametrize(
    "what",
    ["missing", "text", "damaged", "cut short", "empty", "folder", "another program's", "later", "itself"],
)
def test_an_invalid_backup_is_refused_and_changes_nothing(
    path: Path, copy: Path, tmp_path: Path, what: str
) -> None:
    if what == "missing":
        copy.unlink()
    elif what == "text":
        copy.write_text("notes\n" * 5000)
    elif what == "damaged":
        data = bytearray(copy.read_bytes())
        data[8192 * 4 :] = b"\xff" * (len(data) - 8192 * 4)
        copy.write_bytes(data)
    elif what == "cut short":
        copy.write_bytes(copy.read_bytes()[: copy.stat().st_size // 2])
    elif what == "empty":
        copy.write_bytes(b"")
    elif what == "folder":
        copy.unlink()
        copy.mkdir()
    elif what == "itself":
        copy = path
    else:
        copy.unlink(missing_ok=True)
        db = apsw.Connection(str(copy))
        db.execute("CREATE TABLE t (x)")
        if what == "later":
            db.pragma("application_id", APPLICATION_ID)
            db.pragma("user_version", 999)
        db.close()
    with pytest.raises(IndexProblem) as refused:
        restore(str(path), str(copy))
    assert str(copy) in str(refused.value)
    assert "\n" not in refused.value.advice
    if what not in ("missing", "later", "itself"):  # no hint about the index in use
        assert "nothing was changed" in refused.value.hint
    assert roots_in(path) == [b"/first"]
    assert not list(path.parent.glob("*.replaced*")) + list(path.parent.glob("*.part"))


OPENS = (
    "import sys, time\nfrom imgret.store.factory import open_store\nimport apsw, sqlite_vec\n"
    "sys.stdin.buffer.read(1)\n"
    "index = open_store(sys.argv[1])\nprint(index.db.pragma('user_version'), index.db.pragma('journal_mode'))"
)


def opened_at_once(path: Path, count: int = 6) -> None:
    processes = [in_a_process(OPENS, path) for _ in range(count)]
    time.sleep(0.5)  # until they have imported their modules
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(b"x")
        process.stdin.flush()
    answers = [process.communicate(timeout=60)[0] for process in processes]
    assert answers == [f"{migrations()[-1].version} wal\n".encode()] * count


def test_several_programs_create_the_index_at_once(tmp_path: Path) -> None:
    path = tmp_path / "new" / "index.db"
    opened_at_once(path)
    assert roots_in(path) == []
    with open_store(str(path)) as store:
        assert store.db.pragma("page_size") == 8192
        assert store.db.pragma("auto_vacuum") == 2


def test_several_programs_migrate_the_index_at_once(tmp_path: Path) -> None:
    path = tmp_path / "index.db"
    db = apsw.Connection(str(path))
    migrate(db, migrations()[:1])
    db.execute("CREATE TABLE ballast (x)")
    db.executemany("INSERT INTO ballast VALUES (randomblob(100000))", [()] * 50)
    db.execute("INSERT INTO root (path, watched) VALUES (x'2f70', 1)")
    db.close()
    opened_at_once(path)
    assert roots_in(path) == [b"/p"]
    before = tmp_path / "index.db.v1.bak"
    assert sound(before)
    assert stat.S_IMODE(before.stat().st_mode) == 0o600
    copied = apsw.Connection(str(before))
    assert (copied.pragma("user_version"), copied.execute("SELECT count(*) FROM ballast").get) == (1, 50)
    copied.close()
    assert not list(tmp_path.glob("*.part"))


def test_text_of_the_user_is_synced_to_disk_and_the_rest_is_not(path: Path) -> None:
    full, normal = 2, 1
    with open_store(str(path)) as store:
        with store.writing(durable=True) as db:
            assert db.pragma("synchronous") == full
            with store.writing():
                assert db.pragma("synchronous") == full
        with store.writing() as db:
            assert db.pragma("synchronous") == normal
        with pytest.raises(ValueError, match="no"), store.writing(durable=True):
            raise ValueError("no")
        assert store.db.pragma("synchronous") == normal


def test_the_writer_continues_while_another_process_holds_the_preparation_lock(path: Path) -> None:
    with writer_lock(str(path)), open_store(str(path)) as store:
        identity.renew(store)
        store.roots.add(b"/second")
    assert roots_in(path) == [b"/first", b"/second"]


def test_a_path_that_is_not_a_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for place in (tmp_path / "fifo", tmp_path, Path("/dev/null")):
        with pytest.raises(IndexProblem, match=f"{place} is not a file"):
            open_store(str(place))
    assert not os.path.lexists("/dev/null-journal")
