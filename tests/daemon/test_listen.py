"""The daemon's own socket is replaced and removed; any other file at its path stays as it is."""

import os
import socket
import subprocess
import sys

import pytest
from imgretd.listen import alone, listen, remove_socket

from imgret.cli import quick_places
from imgret.config import places
from imgret.errors import DaemonError


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "s")


def test_a_stale_socket_is_replaced(path):
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(path)
    stale.close()
    with listen(path) as listener, socket.socket(socket.AF_UNIX) as client:
        client.connect(path)
        listener.accept()[0].close()
        assert os.stat(path).st_mode & 0o777 == 0o600
    remove_socket(path)
    assert not os.path.lexists(path)


def test_a_relative_socket_is_the_same_for_all_programs_in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IMGRET_SOCKET", "run/../s")
    assert places().socket == quick_places.socket_path() == os.path.join(os.getcwd(), "s")


@pytest.mark.must_run
@pytest.mark.parametrize("kind", ["file", "folder", "link", "fifo"])
def test_what_is_no_socket_stays(tmp_path, path, kind):
    target = tmp_path / "notes.txt"
    target.write_text("all of it")
    if kind == "file":
        os.link(target, path)
    elif kind == "folder":
        os.mkdir(path)
    elif kind == "link":
        os.symlink(target, path)
    else:
        os.mkfifo(path)
    before = os.lstat(path)
    with pytest.raises(DaemonError, match="is not a socket of yours") as error:
        listen(path)
    assert path in str(error.value)
    assert "IMGRET_SOCKET" in error.value.hint
    with pytest.raises(DaemonError):
        remove_socket(path)
    assert os.lstat(path).st_ino == before.st_ino
    assert target.read_text() == "all of it"


def test_the_daemon_reports_it_and_ends(tmp_path, private_places):
    notes = tmp_path / "notes.txt"
    notes.write_text("all of it")
    environ = os.environ | {"IMGRET_SOCKET": str(notes)}
    ran = subprocess.run(
        [sys.executable, "-m", "imgretd", "--foreground"],
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode == 4
    assert f"{notes} is not a socket of yours" in ran.stderr
    assert notes.read_text() == "all of it"


def test_an_error_of_the_daemon_is_not_taken_for_another_daemon(path):
    with pytest.raises(BlockingIOError, match="a pipe"), alone(path):
        raise BlockingIOError("a pipe")
    with alone(path), pytest.raises(DaemonError, match="another daemon listens"), alone(path):
        pass
