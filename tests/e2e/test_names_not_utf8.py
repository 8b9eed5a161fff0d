"""Folders and files whose names are not UTF-8, as old systems and archives leave them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import draw

CONFIG = """\
caption.weights = "none"
place.weights = "none"
ocr.weights = "none"
topics.weights = "none"
detect.weights = "/nowhere/x.onnx"
embed.weights = "wordllama"
"""


@pytest.fixture
def home(tmp_path: Path) -> bytes:
    """A home folder with a configuration and the photos below it in `photos`; its own name is not UTF-8."""
    home = os.path.join(os.fsencode(tmp_path), b"caf\xe9")
    config = os.path.join(home, b".config/imgret/config.toml")
    photos = os.path.join(home, b"photos", b"sub\xff")
    os.makedirs(os.path.dirname(config))
    os.makedirs(photos)
    with open(config, "w") as file:
        file.write(CONFIG)
    draw(tmp_path / "a.jpg", "red", "circle", "white")
    shutil.move(os.fsencode(tmp_path / "a.jpg"), os.path.join(photos, b"a\xfe.jpg"))
    return home


def run(home: bytes, *arguments: bytes, index: Path | None = None) -> tuple[int, bytes, str]:
    """Run a command. Returns its exit code, stdout and stderr."""
    environ = {b"PATH": os.environb[b"PATH"], b"HOME": home}
    if index is not None:
        environ[b"IMGRET_INDEX"] = os.fsencode(index)
    command = [os.fsencode(sys.executable), b"-m", b"imgret", *arguments]
    done = subprocess.run(command, env=environ, capture_output=True, check=False)
    return done.returncode, done.stdout, done.stderr.decode(errors="replace")


def test_an_index_below_such_a_home_is_refused_with_what_to_do(home: bytes) -> None:
    code, _, err = run(home, b"index", os.path.join(home, b"photos"))
    assert (code, "not UTF-8" in err, "IMGRET_INDEX" in err) == (3, True, True)


def test_photos_in_such_folders_are_indexed_and_found_by_their_exact_path(
    home: bytes, tmp_path: Path
) -> None:
    index, photos = tmp_path / "index.db", os.path.join(home, b"photos")
    first, second = (run(home, b"index", photos, index=index) for _ in range(2))
    assert (first[0], second[0]) == (0, 0), first[2]
    assert "x.onnx" in first[2]
    assert "x.onnx" not in second[2]  # reported once
    assert "nothing changed" in second[2]
    code, out, _ = run(home, b"query", b"-0", b"name:a*", index=index)
    assert (code, out) == (0, os.path.join(photos, b"sub\xff", b"a\xfe.jpg") + b"\0")


def test_failed_and_offline_ones_are_reported_with_their_reason(home: bytes, tmp_path: Path) -> None:
    index, photos = tmp_path / "index.db", os.path.join(home, b"photos")
    with open(os.path.join(photos, b"noise\xff.jpg"), "wb") as file:
        file.write(b"no picture" * 50)
    with open(os.path.join(photos, b"empty\xff.jpg"), "wb"):
        pass
    code, _, err = run(home, b"index", photos, index=index)
    assert (code, "1 described" in err, "is empty" in err) == (1, True, True)
    assert "crashed" not in err
    os.rename(photos, photos + b".away")
    code, _, err = run(home, b"index", photos, index=index)
    assert code != 0
    code, _, err = run(home, b"index", index=index)
    assert (code, "is offline" in err) == (1, True)
    os.rename(photos + b".away", photos)
    assert "nothing changed" in run(home, b"index", photos, index=index)[2]
    assert b"noise" in run(home, b"status", index=index)[1]
