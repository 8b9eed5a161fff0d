"""Temporary files that a killed process left beside photos are removed, and those that are being written are kept."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from imgret.sidecars import replace_file


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    left, busy = (tmp_path / f".imgret-{digit * 16}.tmp" for digit in "ab")
    others = [tmp_path / name for name in ("a.tmp", ".imgret-1.tmp", ".imgret-photo.jpg", "a.jpg.xmp")]
    for path in (left, busy, *others):
        path.write_text("x")
    folder = os.open(tmp_path, os.O_RDONLY)
    with busy.open() as writer:
        fcntl.flock(writer, fcntl.LOCK_EX)
        replace_file.remove_left(folder, [os.fsencode(path.name) for path in tmp_path.iterdir()])
    os.close(folder)
    assert sorted(tmp_path.iterdir()) == sorted([busy, *others])
