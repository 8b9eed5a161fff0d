"""Watching folders that cannot be read or are too deep, and failures of the system or of the code."""

import os
import subprocess
import sys
import threading
import time

import pytest
from imgretd.tree import WatchedTree
from imgretd.watch import Watcher
from waiting import until

from imgret.safe_open import Descent


class Reported(list):
    """The folders that a watcher reports."""

    def __init__(self, root, poll_seconds=0.3):
        super().__init__()
        self.watcher = Watcher(self.append, self.append, lambda folder: False, poll_seconds)
        self.watcher.watch([root])

    def __enter__(self):
        until(lambda: len(self))
        self.clear()
        return self

    def __exit__(self, *_):
        self.watcher.stop()


@pytest.fixture
def root(tmp_path):
    (tmp_path / "root").mkdir()
    return os.fsencode(tmp_path / "root")


def test_a_folder_deeper_than_a_path_may_be_long_is_watched(root):
    name = b"n" * 200
    with Reported(root) as reported, Descent(root) as descent:
        deep = b"/".join([name] * 25)
        for depth in range(25):
            os.mkdir(name, dir_fd=descent.folder(b"/".join([name] * depth)))
        until(lambda: os.path.join(root, deep) in reported)
        time.sleep(0.5)
        reported.clear()
        os.close(os.open("1.jpg", os.O_CREAT | os.O_WRONLY, dir_fd=descent.folder(deep)))
        until(lambda: os.path.join(root, deep) in reported)


def test_changed_permissions_are_reported(root):
    os.mkdir(root + b"/a")
    os.close(os.open(root + b"/b.jpg", os.O_CREAT))
    with Reported(root) as reported:
        os.chmod(root + b"/a", 0)
        until(lambda: root + b"/a" in reported)
        reported.clear()
        os.chmod(root + b"/a", 0o755)
        until(lambda: root + b"/a" in reported)
        reported.clear()
        os.chmod(root + b"/b.jpg", 0o600)
        until(lambda: root in reported)


def test_a_folder_that_was_refused_is_reported_once_it_can_be_read(root):
    """By a process that may not pass over permissions. Both folders are made before it begins and later."""
    program = f"""
import sys
from imgretd.watch import Watcher
say = lambda folder: print(folder.hex(), flush=True)
watcher = Watcher(say, say, lambda folder: False, 0.3)
watcher.watch([{root!r}])
sys.stdin.read()
"""
    command = [sys.executable, "-c", program]
    if os.geteuid() == 0:
        dropped = "-dac_override,-dac_read_search"
        command = ["setpriv", f"--bounding-set={dropped}", f"--inh-caps={dropped}", *command]
    os.makedirs(root + b"/early/sub")
    os.chmod(root + b"/early", 0)
    reported = []
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        reading = threading.Thread(
            target=lambda: reported.extend(bytes.fromhex(line.decode()) for line in process.stdout)
        )
        reading.start()
        try:
            until(lambda: root in reported)
            os.mkdir(root + b"/late", 0)
            until(lambda: root + b"/late" in reported)
            for folder in (b"/early", b"/late"):
                os.chmod(root + folder, 0o755)
                os.close(os.open(root + folder + b"/1.jpg", os.O_CREAT))
            until(lambda: root + b"/early/sub" in reported)  # so its parent was listed
            reported.clear()
            for folder in (b"/early", b"/early/sub", b"/late"):
                until(lambda folder=folder: touch(root + folder) in reported)
        finally:
            process.stdin.close()
            reading.join(20)


def touch(folder):
    """A new photo in the folder."""
    os.close(os.open(os.path.join(folder, b"%d.jpg" % time.monotonic_ns()), os.O_CREAT))
    time.sleep(0.05)
    return folder


@pytest.mark.must_run
def test_without_an_inotify_instance_the_root_is_rescanned_periodically(root):
    """With the limit lowered in a user namespace of its own; then it is raised."""
    program = f"""
from imgretd.watch import Watcher
told = []
watcher = Watcher(told.append, told.append, lambda folder: False)
for times in (1, 2):
    watcher.watch([{root!r}])
    assert told == [{root!r}] * times
    assert "max_user_instances" in watcher.unwatchable[{root!r}]
with open("/proc/sys/user/max_inotify_instances", "w") as limit:
    limit.write("10")
watcher.watch([{root!r}])
assert not watcher.unwatchable
watcher.stop()
"""
    limit = 'echo 0 > /proc/sys/user/max_inotify_instances && exec "$@"'
    inside = ["unshare", "-U", "-r", "sh", "-c", limit, "sh"]
    if subprocess.run([*inside, "true"], capture_output=True).returncode:
        pytest.skip("no user namespaces here, so the limit on instances cannot be lowered for one process")
    ran = subprocess.run([*inside, sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize(
    "error", [OverflowError("odd"), MemoryError(), UnicodeError("odd"), OSError(5, "odd")]
)
@pytest.mark.parametrize("place", ["process_events", "list_queued"])
def test_an_unexpected_exception_in_the_watching_thread_is_survived(root, monkeypatch, place, error):
    broken, right = [False], getattr(WatchedTree, place)

    def failing(self, *arguments):
        if broken[0]:
            broken[0] = False
            raise error
        return right(self, *arguments)

    monkeypatch.setattr(WatchedTree, place, failing)
    with Reported(root, poll_seconds=0.2) as reported:
        broken[0] = True
        os.mkdir(root + b"/a")
        until(lambda: not broken[0] and root in reported)
        until(lambda: touch(root + b"/a") in reported)


def test_an_unexpected_exception_of_a_callback_is_survived(root):
    reported = []

    def on_folder(folder):
        reported.append(folder)
        raise ValueError("odd")

    watcher = Watcher(on_folder, lambda tree: None, lambda folder: False, 0.2)
    watcher.watch([root])
    try:
        for _ in range(3):
            until(lambda: touch(root) in reported)
            reported.clear()
    finally:
        watcher.stop()
