"""One writer at a time, and copies of a store."""

from __future__ import annotations

import os
import stat as stat_
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from store_engines import BACKUP_FILE, WATCH
from store_library import NOW, delete, put

from imgret.errors import ImgretError, IndexBusy, IndexProblem
from imgret.store.factory import open_store, restore, watch_file, writer_lock
from imgret.store.interface import Store

HOLD = """
import sys
from imgret.store.factory import open_store, writer_lock
with writer_lock(sys.argv[1]), open_store(sys.argv[1]) as store:
    store.remember("holder", "here")
    print("held", flush=True)
    sys.stdin.read()
"""


def holding(place: str) -> subprocess.Popen[str]:
    """Another process that holds the lock until its input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, place], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_the_lock_is_free_again_when_it_was_given_back(place: str) -> None:
    for _ in range(2):
        with writer_lock(place), open_store(place) as store:
            store.remember("key", "value")
    with pytest.raises(ZeroDivisionError), writer_lock(place):
        raise ZeroDivisionError
    with writer_lock(place):
        pass


def test_no_other_process_gets_the_lock(place: str) -> None:
    process = holding(place)
    try:
        messages: list[str] = []
        with pytest.raises(IndexBusy) as refused, writer_lock(place, wait=0.3, waiting=messages.append):
            pass
        assert str(process.pid) in str(refused.value)
        assert len(messages) == 1
        assert str(process.pid) in messages[0]
        with open_store(place) as store:  # reading, and notes, need no lock
            assert store.setting("holder") == "here"
            store.remember("key", "value")
    finally:
        process.communicate()
    with writer_lock(place):
        pass


def test_the_lock_ends_with_its_process(place: str) -> None:
    process = holding(place)
    process.kill()
    process.communicate()
    with writer_lock(place, wait=10), open_store(place) as store:
        assert store.setting("holder") == "here"


def test_a_waiting_process_gets_the_lock(place: str) -> None:
    process = holding(place)
    taken = threading.Event()

    def wait() -> None:
        with writer_lock(place, wait=60):
            taken.set()

    thread = threading.Thread(target=wait)
    thread.start()
    assert not taken.wait(0.3)
    process.communicate()
    thread.join(60)
    assert taken.is_set()


@pytest.mark.needs(BACKUP_FILE)
def test_a_backup_has_what_was_committed(store: Store, second: Store, tmp_path: Path) -> None:
    content = put(store, b"/photos/a.jpg")
    store.results.write_note(content, "ours")
    copy, place = str(tmp_path / "copy"), str(tmp_path / "restored")
    with second.writing():
        second.remember("key", "not committed")
        store.backup(copy)
    put(store, b"/photos/later.jpg")
    assert stat_.S_IMODE(os.stat(copy).st_mode) == 0o600
    assert restore(place, copy) is None  # nothing was there
    with open_store(place, create=False) as restored:
        assert restored.problems() == []
        assert list(restored.photos.all_paths()) == [b"/photos/a.jpg"]
        assert restored.results.note(content) == "ours"
        assert restored.setting("key") is None
    assert len(list(store.photos.all_paths())) == 2


@pytest.mark.needs(BACKUP_FILE)
def test_a_backup_replaces_no_file(store: Store, tmp_path: Path) -> None:
    (tmp_path / "copy").write_text("precious")
    with pytest.raises(IndexProblem) as refused:
        store.backup(str(tmp_path / "copy"))
    assert str(tmp_path / "copy") in str(refused.value)
    assert (tmp_path / "copy").read_text() == "precious"
    with pytest.raises(ImgretError):
        store.backup(str(tmp_path / "no folder" / "copy"))


@pytest.mark.needs(BACKUP_FILE)
def test_restoring_keeps_the_store_that_was_there(place: str, tmp_path: Path) -> None:
    copy = str(tmp_path / "copy")
    with open_store(place) as store:
        put(store, b"/photos/a.jpg")
        store.backup(copy)
        delete(store, b"/photos/a.jpg", NOW)
        put(store, b"/photos/b.jpg")
    with writer_lock(place):
        before = restore(place, copy)
    assert before is not None
    for where, path in ((place, b"/photos/a.jpg"), (before, b"/photos/b.jpg")):
        with open_store(where, create=False) as store:
            assert list(store.photos.all_paths()) == [path]


@pytest.mark.needs(BACKUP_FILE)
def test_what_is_no_backup_changes_nothing(place: str, tmp_path: Path) -> None:
    with open_store(place) as store:
        put(store, b"/photos/a.jpg")
    (tmp_path / "text").write_text("no backup\n" * 1000)
    for source in ("missing", "text"):
        with pytest.raises(IndexProblem) as refused:
            restore(place, str(tmp_path / source))
        assert str(tmp_path / source) in str(refused.value)
    with open_store(place, create=False) as store:
        assert list(store.photos.all_paths()) == [b"/photos/a.jpg"]


@pytest.mark.needs(BACKUP_FILE, WATCH)
def test_a_watch_notices_a_restored_store_and_nothing_else(place: str, tmp_path: Path) -> None:
    copy = str(tmp_path / "copy")
    with open_store(place) as store:
        store.backup(copy)
        watch = watch_file(place)
        for number in range(20):
            store.remember(f"key {number}", "x" * 5000)
        store.checkpoint()
        store.renew_identity()
        assert watch.change() is None
        restore(place, copy)
        assert place in (watch.change() or "")


def test_a_new_identity_changes_nothing_else(store: Store, second: Store) -> None:
    put(store, b"/photos/a.jpg")
    store.renew_identity()
    second.renew_identity()
    assert list(store.photos.all_paths()) == [b"/photos/a.jpg"]
    store.remember("key", "value")
    assert second.setting("key") == "value"
