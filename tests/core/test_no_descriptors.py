"""What a scan does while the process has no file descriptor left."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("free", range(4))
def test_no_descriptor_left_is_not_taken_for_a_missing_disk_or_folder(tmp_path: Path, free: int) -> None:
    (tmp_path / "below").mkdir()
    program = f"""
import os, resource
from imgret.limits import Shortage
from imgret.exclude import Exclude
from imgret.mounts import root_health, root_identity
from imgret.scan import scan
root = {os.fsencode(tmp_path)!r}
identity = root_identity(root)
list(scan(root, lambda folder: {{}}, Exclude(())))  # imports what it needs
held = [os.open("/dev/null", os.O_RDONLY) for _ in range(5)]
resource.setrlimit(resource.RLIMIT_NOFILE, (held[-1] + 1 + {free}, 4096))
for ask in (lambda: root_health(root, identity).online, lambda: [each for each in scan(root, lambda folder: {{}}, Exclude(())) if each.problem is None]):
    try:
        print("as always" if ask() else "WRONG")
    except Shortage:
        print("shortage")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.splitlines()) <= {"as always", "shortage"}, done.stdout
    assert free or "shortage" in done.stdout
