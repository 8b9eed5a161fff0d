"""Hash real files, including files that change and paths that are not regular files."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from blake3 import blake3

from imgret.decode.hashing import content_hash
from imgret.errors import PhotoError
from imgret.photo import file_stat_of


@pytest.mark.parametrize("size", [0, 1, 1 << 20, (1 << 20) + 1, 3_000_000])
def test_the_hash_of_the_bytes(tmp_path: Path, size: int) -> None:
    path = tmp_path / "a.jpg"
    data = os.urandom(size)
    path.write_bytes(data)
    assert content_hash(os.fsencode(path), file_stat_of(os.stat(path))) == blake3(data).digest()


def test_an_unexpected_file_is_a_transient_error(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(b"one")
    expected = file_stat_of(os.stat(path))
    path.write_bytes(b"other")
    with pytest.raises(PhotoError, match="changed while it was read") as caught:
        content_hash(os.fsencode(path), expected)
    assert caught.value.transient


def test_a_file_that_grows_while_read_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(b"\xff\xd8\xff" + bytes(64 << 20))
    stop = threading.Event()

    def grow() -> None:
        with path.open("ab") as file:
            while not stop.is_set():
                file.write(b"x")
                file.flush()

    writer = threading.Thread(target=grow)
    writer.start()
    try:
        with pytest.raises(PhotoError, match="changed while it was read"):
            content_hash(os.fsencode(path))
    finally:
        stop.set()
        writer.join()


def test_paths_that_are_not_regular_files_are_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "loop").symlink_to("loop")
    for name, expected in {
        b"fifo": "is a FIFO",
        b"": "is a folder",
        b"gone": "no longer there",
        b"loop": "symbolic",
    }.items():
        with pytest.raises(PhotoError, match=expected):
            content_hash(os.path.join(os.fsencode(tmp_path), name))
    with pytest.raises(PhotoError, match="is a device"):
        content_hash(b"/dev/zero")
