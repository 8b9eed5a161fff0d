"""After any changes in a watched root, scanning the reported folders finds all of them."""

import ctypes
import os
import random
import shutil
import subprocess
import tempfile
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from imgretd import inotify
from imgretd.dirty import DirtyFolders, is_in
from imgretd.inotify import Inotify, parse
from imgretd.tree import WatchedTree
from imgretd.watch import Watcher


def hidden(folder: bytes) -> bool:
    return os.path.basename(folder).startswith(b".")


def listing(folder: bytes) -> dict[bytes, tuple[int, int, int]] | None:
    """The files of one folder; None when it is no folder."""
    if os.path.islink(folder):
        return None
    try:
        with os.scandir(folder) as entries:
            files = [entry for entry in entries if entry.is_file(follow_symlinks=False)]
            return {f.name: (f.stat().st_size, f.stat().st_mtime_ns, f.stat().st_ino) for f in files}
    except OSError:
        return None


def disk(root: bytes) -> dict[bytes, dict[bytes, tuple[int, int, int]]]:
    """Every folder with files, by os.walk: the truth."""
    found = {}
    for folder, below, _files in os.walk(root):
        below[:] = [name for name in below if not hidden(name)]
        if files := listing(folder):
            found[folder] = files
    return found


class Mirror:
    """Keeps a copy of the disk by listing only the folders that are reported."""

    def __init__(self, root: bytes, poll_seconds: float = 0.5) -> None:
        self.root, self.known = root, {}
        self.trees = 0
        self._dirty, self._lock, self._stop = DirtyFolders(quiet=0.05), threading.Lock(), threading.Event()
        self.watcher = Watcher(self._folder, self._tree, hidden, poll_seconds)
        self._thread = threading.Thread(target=self._follow)
        self._thread.start()
        self.watcher.watch([root])

    def _folder(self, folder: bytes) -> None:
        with self._lock:
            self._dirty.touch(folder, self.root, time.monotonic())

    def _tree(self, folder: bytes) -> None:
        with self._lock:
            self.trees += 1
            self._dirty.touch_tree(folder, time.monotonic())

    def _follow(self) -> None:
        while not self._stop.wait(0.01):
            with self._lock:
                due = self._dirty.take(time.monotonic())
            for tree in due.trees:
                self.known = {f: files for f, files in self.known.items() if not is_in(f, tree)} | disk(tree)
            for folder in due.folders:
                self.known.pop(folder, None)
                if files := listing(folder):
                    self.known[folder] = files

    def converges(self, seconds: float = 20) -> bool:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            with self._lock:
                idle = self.trees and not len(self._dirty)
            if idle and self.known == disk(self.root):
                return True
            time.sleep(0.05)
        return False

    def close(self) -> None:
        self.watcher.stop()
        self._stop.set()
        self._thread.join()


@pytest.fixture
def root(tmp_path):
    folder = os.fsencode(tmp_path / "r\udcff t")  # neither UTF-8 nor without a space
    os.mkdir(folder)
    return folder


@pytest.fixture
def mirror(root):
    mirror = Mirror(root)
    yield mirror
    mirror.close()


def write(path: bytes, text: bytes = b"x") -> None:
    with open(path, "wb") as file:
        file.write(text)


def anything(rng: random.Random, root: bytes) -> None:
    """One random thing that a person or a program does to folders."""
    folders = [f for f, _, _ in os.walk(root)]
    files = [os.path.join(f, n) for f, _, names in os.walk(root) for n in names]
    here, there = rng.choice(folders), rng.choice(folders)
    name = rng.choice([b"a", b"b", b"c\xff", b".d"])
    match rng.randrange(8):
        case 0 | 1:
            os.makedirs(os.path.join(here, name, name), exist_ok=True)
        case 2 | 3:
            os.makedirs(os.path.join(here, b"n"), exist_ok=True)
            write(os.path.join(here, b"n", name + b".jpg"), rng.randbytes(3))
        case 4 if files:
            os.unlink(rng.choice(files))
        case 5 if here != root:
            shutil.rmtree(here)
        case 6 if here != root and not is_in(there, here):
            target = os.path.join(there, name)
            if not os.path.lexists(target):
                os.rename(here, target)
        case 7 if here != root and there != root and not is_in(here, there) and not is_in(there, here):
            exchange(here, there)


def exchange(one: bytes, other: bytes) -> None:
    """Swap two folders at once, as `mv --exchange` does."""
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.renameat2(-100, ctypes.c_char_p(one), -100, ctypes.c_char_p(other), 2) == 0


@pytest.mark.parametrize("seed", range(4))
def test_random_changes_are_all_reported(root, mirror, seed):
    rng = random.Random(seed)
    for _ in range(4):
        for _ in range(60):
            anything(rng, root)
        assert mirror.converges()


def test_a_burst_of_nested_folders_is_reported(root, mirror):
    assert mirror.converges()
    for i in range(300):
        folder = os.path.join(root, b"%d" % (i % 7), b"x", b"%d" % i)
        os.makedirs(folder)
        for j in range(3):
            write(os.path.join(folder, b"%d.jpg" % j))
    assert mirror.converges()
    assert sum(map(len, mirror.known.values())) == 900


def test_a_new_or_removed_nomedia_makes_all_below_it_dirty(root, mirror):
    folder = os.path.join(root, b"phone")
    os.makedirs(os.path.join(folder, b"private/deeper"))
    assert mirror.converges()
    for change in (
        lambda: open(os.path.join(folder, b".nomedia"), "w").close(),
        lambda: os.rename(os.path.join(folder, b".nomedia"), os.path.join(folder, b"private/.nomedia")),
        lambda: os.remove(os.path.join(folder, b"private/.nomedia")),
    ):
        before = mirror.trees
        change()
        deadline = time.monotonic() + 20
        while mirror.trees == before:
            assert time.monotonic() < deadline, "nobody was told"
            time.sleep(0.02)


def test_a_removed_root_comes_back(root, mirror):
    write(root + b"/a.jpg")
    assert mirror.converges()
    shutil.rmtree(root)
    assert mirror.converges()
    assert mirror.known == {}
    os.mkdir(root)
    write(root + b"/b.jpg")
    assert mirror.converges()
    assert list(mirror.known[root]) == [b"b.jpg"]
    write(root + b"/c.jpg")
    assert mirror.converges()


def test_a_folder_swapped_for_a_symlink_is_left_alone(root, mirror, tmp_path):
    os.makedirs(root + b"/sub")
    write(root + b"/sub/a.jpg")
    assert mirror.converges()
    elsewhere = os.fsencode(tmp_path / "elsewhere")
    os.rename(root + b"/sub", elsewhere)
    os.symlink(elsewhere, root + b"/sub")
    assert mirror.converges()
    assert mirror.known == {}


def test_lost_events_make_the_tree_dirty(tmp_path):
    """The queue holds 16,384 events by default: more than that, unread, and the kernel drops the rest."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else tmp_path  # so many folders on a disk take long
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        assert events_are_lost(os.fsencode(folder))


def events_are_lost(root):
    kernel = Inotify()
    tree = WatchedTree(kernel, root, hidden)
    tree.queue_all()
    tree.list_queued(10)
    with open("/proc/sys/fs/inotify/max_queued_events") as file:
        limit = int(file.read())
    for _ in range(limit // 2 + 100):  # each is CREATE and DELETE: no two alike in a row, so none are merged
        os.mkdir(root + b"/d")
        os.rmdir(root + b"/d")
    lost = False
    while events := kernel.read():
        lost = tree.process_events(events)[1] or lost
    kernel.close()
    return lost


@pytest.mark.must_run
def test_refused_watches_are_counted_and_polled(root):
    """With the limit lowered in a user namespace of its own, as root's limit cannot be reached in a test."""
    script = f"""
import os, sys, time
from imgretd.watch import Watcher
told = set()
watcher = Watcher(told.add, told.add, lambda folder: False, 0.2)
watcher.watch([{root!r}])
time.sleep(1.5)
assert watcher.unwatched > 5, watcher.unwatched
told.clear()
time.sleep(1)
assert len(told) >= watcher.unwatched, told
watcher.stop()
"""
    for i in range(20):
        os.mkdir(os.path.join(root, b"%d" % i))
    limit = 'echo 10 > /proc/sys/user/max_inotify_watches && exec "$@"'
    command = ["unshare", "-U", "-r", "sh", "-c", limit, "sh", os.sys.executable, "-c", script]
    if subprocess.run(
        ["unshare", "-U", "-r", "sh", "-c", limit, "sh", "true"], capture_output=True
    ).returncode:
        pytest.skip("no user namespaces here, so the limit on watches cannot be lowered for one process")
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr


@pytest.mark.must_run
def test_a_mount_below_the_root_is_noticed(root, mirror):
    os.mkdir(root + b"/card")
    assert mirror.converges()
    if subprocess.run(["mount", "-t", "tmpfs", "card", root + b"/card"], capture_output=True).returncode:
        pytest.skip("mounting needs root")
    try:
        write(root + b"/card/a.jpg")
        assert mirror.converges()
        assert mirror.known
    finally:
        subprocess.run(["umount", "-l", root + b"/card"], check=True)
    assert mirror.converges()
    assert mirror.known == {}


def test_a_root_that_is_not_watched_any_more_is_silent(root, mirror):
    assert mirror.converges()
    mirror.watcher.watch([])
    write(root + b"/a.jpg")
    time.sleep(0.3)
    assert mirror.known == {}
    mirror.watcher.watch([root])
    assert mirror.converges()


@given(st.lists(st.tuples(st.integers(-1, 2**31 - 1), st.integers(0, 2**32 - 1), st.binary(max_size=255))))
def test_events_are_read_back(events):
    """Names without NUL, padded by the kernel to the size of its header."""
    events = [(watch, mask, name.replace(b"\0", b"")) for watch, mask, name in events]
    buffer = b""
    for watch, mask, name in events:
        padded = name + b"\0" * (-len(name) % 16 or (16 if name else 0))
        buffer += inotify._HEADER.pack(watch, mask, 0, len(padded)) + padded
    assert [tuple(event) for event in parse(buffer)] == events
