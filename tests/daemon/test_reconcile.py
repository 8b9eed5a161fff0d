"""Several watched folders, each reconciled by itself: what hangs or fails in one does not reach another."""

import contextlib
import os
import pkgutil
import subprocess
import sys
import threading
import time

import pytest
from faulty_disk import faulty_disk
from hypothesis import given
from hypothesis import strategies as st
from imgretd import blocked_folders, watched
from imgretd.backlog import Backlog
from imgretd.folder_problems import FolderProblems
from imgretd.reconciler import Reconciler
from imgretd.watched import WatchedFolder
from waiting import until

from imgret import disk_calls
from imgret.config import Settings
from imgret.intake import SyncResult
from imgret.store.factory import open_store
from imgret.sync import sync
from testbed.small_pngs import write_picture

FOREIGN = [
    OverflowError("too large"),
    ValueError("odd"),
    MemoryError(),
    UnicodeEncodeError("u", "", 0, 1, ""),
]


class Reconciling:
    """A reconciler over some folders, and what it reported."""

    def __init__(self, path, folders):
        self.path, self.problems, self.passes = str(path), [], []
        settings = Settings(folders=tuple(map(str, folders)))
        self.reconciler = Reconciler(
            self.path, settings, lambda *found: self.passes.append(found), self.problems.append, lambda: None
        )
        with open_store(self.path) as store:
            found = [store.roots.add(os.fsencode(folder), watched=True) for folder in folders]
        self.reconciler.keep({root.path: WatchedFolder(root.path, root, b"") for root in found}, settings)
        for root in found:
            self.reconciler.touch_tree(root.path)

    def names(self):
        with open_store(self.path) as store:
            sql = "SELECT name FROM photo WHERE content IS NOT NULL AND gone_at IS NULL"
            return {os.fsdecode(name) for (name,) in store.rows(sql)}

    def put(self, folder, number):
        write_picture(folder / f"{number}.png", number)
        self.reconciler.touch(os.fsencode(folder))


@pytest.fixture
def folders(tmp_path):
    made = [tmp_path / name for name in ("one", "two")]
    for number, folder in enumerate(made, 1):
        folder.mkdir()
        write_picture(folder / f"{number}.png", number)
    return made


@contextlib.contextmanager
def running(path, folders):
    it = Reconciling(path, folders)
    it.reconciler.start()
    try:
        yield it
    finally:
        it.reconciler.stop()
        it.reconciler.join()


@pytest.mark.must_run
def test_a_disk_that_hangs_does_not_hold_up_another_folder(tmp_path, folders, monkeypatch):
    if not os.path.exists("/dev/fuse") or os.geteuid():
        pytest.skip("a FUSE file system needs root and /dev/fuse")
    monkeypatch.setattr(disk_calls, "SILENCE_SECONDS", 3.0)
    one, two = folders
    mount = tmp_path / "mount"
    mount.mkdir()
    with (
        faulty_disk(str(one), str(mount), hang_list="one"),
        running(tmp_path / "index.db", [mount, two]) as it,
    ):
        until(lambda: it.names() == {"2.png"})
        it.put(two, 3)
        until(lambda: it.names() == {"2.png", "3.png"})
        assert not it.passes or it.passes[0][0] == os.fsencode(two)
        until(lambda: any(found.offline for _, found in it.passes))
        with open_store(it.path) as store:
            reasons = {root.path: root.reason for root in store.roots.all()}
        assert "its disk does not respond" in reasons[os.fsencode(mount)]
        assert reasons[os.fsencode(two)] is None
        it.put(two, 4)
        until(lambda: it.names() == {"2.png", "3.png", "4.png"})
        assert time.monotonic() - it.reconciler.heartbeat < 2


@pytest.mark.parametrize("error", FOREIGN, ids=lambda error: type(error).__name__)
def test_an_exception_stops_one_watched_folder_until_it_ends(tmp_path, folders, monkeypatch, error):
    monkeypatch.setattr(blocked_folders, "RETRY_SECONDS", 0.2)
    one, two = folders
    broken = [True]

    def failing(store, settings, root, **more):
        if broken[0] and root.path == os.fsencode(one):
            raise error
        return sync(store, settings, root, **more)

    monkeypatch.setattr(watched, "sync", failing)
    with running(tmp_path / "index.db", folders) as it:
        until(lambda: it.names() == {"2.png"} and it.problems)
        assert f"{one} could not be scanned: {type(error).__name__}" in it.reconciler.problem
        it.put(two, 3)
        until(lambda: it.names() == {"2.png", "3.png"})
        broken[0] = False
        until(lambda: it.names() == {"1.png", "2.png", "3.png"} and it.reconciler.problem is None)
        assert len(it.problems) == 1


@pytest.mark.parametrize("error", FOREIGN, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize(
    "place",
    [
        "imgret.store.sqlite.photos.Photos.save",
        "imgret.decode.hash_many.content_hash_in",
        "imgret.listing.changed",
    ],
)
def test_an_unexpected_exception_in_a_pass_skips_one_file_or_folder(tmp_path, monkeypatch, place, error):
    for number in range(4):
        (tmp_path / "photos" / str(number)).mkdir(parents=True)
        write_picture(tmp_path / "photos" / str(number) / f"{number}.png", number)
    right, name = pkgutil.resolve_name(place), place.rpartition(".")[2]
    calls = []

    def failing(*arguments):
        """Fails for one file, given by its name, and without a name for the second call."""
        calls.append(arguments)
        named = any(isinstance(each, bytes) and each.endswith(b"2.png") for each in arguments)
        if named or (name == "changed" and len(calls) == 2):
            raise error
        return right(*arguments)

    monkeypatch.setattr(place, failing)
    with open_store(str(tmp_path / "index.db")) as store:
        root = store.roots.add(os.fsencode(tmp_path / "photos"))
        found = sync(store, Settings(), root)
        known = [
            name
            for folder in store.photos.known_folders(root.id)
            for name in store.photos.known(root.id, folder)
        ]
        assert (len(found.problems), found.gone) == (1, 0)
        assert type(error).__name__ in found.problems[0]
        assert len(known) - found.unreadable == 3


def test_a_lack_of_threads_is_reported_and_folders_wait(tmp_path, folders):
    """No room for the stack of another thread; then there is."""
    program = f"""
import sys, threading, time, resource
sys.path[:0] = {sys.path!r}
from imgret import disk_calls as diskcalls
from test_reconcile import Reconciling, until
it = Reconciling({str(tmp_path / "index.db")!r}, {list(map(str, folders))!r})
limits = resource.getrlimit(resource.RLIMIT_AS)
usual = threading.stack_size(1 << 34)
resource.setrlimit(resource.RLIMIT_AS, (1 << 32, limits[1]))
it.reconciler.start()
assert it.problems == ["no further thread can be started: folders wait to be scanned"], it.problems
assert it.reconciler.problem and not it.reconciler.is_alive()
threading.stack_size(usual)
it.reconciler.start_missing_threads()
until(lambda: it.names() == {{"1.png", "2.png"}} and it.reconciler.problem is None)
it.reconciler.stop()
it.reconciler.join()
"""
    environment = {**os.environ, "PYTHONPATH": os.path.dirname(__file__)}
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, env=environment
    )
    assert ran.returncode == 0, ran.stderr


# What is reported


def passed(troubled=None, offline=None):
    """What a pass found."""
    troubled = troubled or {}
    problems = [text for texts in troubled.values() for text in texts]
    return SyncResult(problems=problems, folder_problems=troubled, offline=offline)


def test_what_cannot_be_looked_at_is_reported_once_and_listed_until_it_can_be():
    problems = FolderProblems()
    for news in (["x"], []):
        found = passed({b"a/b": ["x"]})
        assert problems.update(b"/p", found, {b""}, recursive=True)
        assert (found.problems, problems.messages()) == (news, ["x"])
    problems.update(b"/p", passed(), {b"a"}, recursive=False)
    problems.update(b"/p", passed(), {b"b"}, recursive=True)
    problems.update(b"/q", passed(), {b""}, recursive=True)
    assert problems.messages() == ["x"]
    problems.update(b"/p", passed(), {b"a"}, recursive=True)
    assert problems.messages() == []
    found = passed({b"a/b": ["x"]})
    problems.update(b"/p", found, {b"a/b"}, recursive=False)
    assert found.problems == ["x"]
    problems.keep_only([b"/q"])
    assert problems.messages() == []


def test_a_root_that_stays_away_is_reported_once():
    problems = FolderProblems()
    reported = [
        problems.update(b"/p", passed(offline=reason), {b""}, recursive=True)
        for reason in ("gone", "gone", "empty", None, "empty", "empty")
    ]
    assert reported == [True, False, True, True, True, False]


# The backlog


def taken(backlog):
    """What one thread takes; it stops to wait as soon as there is nothing."""
    task = backlog._ready(time.monotonic() + 60)
    if task is not None:
        backlog._taken[task.path] = task
    return task


@given(st.lists(st.sampled_from([b"/a", b"/b", b"/c"]), min_size=1))
def test_everything_that_was_touched_is_handed_out_and_no_folder_twice_at_once(touched):
    backlog = Backlog()
    backlog.keep([b"/a", b"/b", b"/c"])
    for path in touched:
        backlog.touch(path + b"/in")
    tasks = []
    while (task := taken(backlog)) is not None:
        tasks.append(task)
    with_work = [task for task in tasks if task.due]
    assert sorted(task.path for task in with_work) == sorted(set(touched))
    assert len({task.path for task in tasks}) == len(tasks)
    for path in set(touched):
        backlog.touch(path)  # while it is being reconciled
    assert taken(backlog) is None
    for task in tasks:
        backlog.done(task)
    again = taken(backlog)
    assert again is not None
    assert again.path in touched


def test_a_single_thread_serves_every_folder():
    backlog = Backlog()
    backlog.keep([b"/a", b"/b"])
    served = []
    for _ in range(4):
        for path in (b"/a", b"/b"):
            backlog.touch(path)
        task = taken(backlog)
        served.append(task.path)
        backlog.done(task)
    assert served == [b"/a", b"/b", b"/a", b"/b"]


def test_what_is_put_back_is_not_handed_out_at_once():
    backlog = Backlog()
    backlog.keep([b"/a"])
    backlog.touch_tree(b"/a")
    task = taken(backlog)
    backlog.put_back(task, 3600)
    backlog.done(task)
    assert not backlog.idle
    assert taken(backlog) is None
    backlog.keep([b"/a"])  # the configuration was read again: it may be better now
    assert taken(backlog).due.trees == {b"/a"}


def test_waiting_threads_end_when_they_are_stopped():
    backlog = Backlog()
    threads = [threading.Thread(target=backlog.take) for _ in range(3)]
    for thread in threads:
        thread.start()
    backlog.stop()
    for thread in threads:
        thread.join(10)
    assert not any(thread.is_alive() for thread in threads)
