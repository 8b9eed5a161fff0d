"""Several threads of one process open the index at the same time."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from imgret.store.factory import open_store
from imgret.store.sqlite import identity


def locked_for_others(path: Path) -> bool:
    """Return whether another process sees the lock of this process on the `-shm`."""
    program = "import sys; from imgret.store.sqlite import file_ids; print(file_ids.shm_used_by_others(sys.argv[1]))"
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True
    )
    return done.stdout.strip() == "True"


def test_a_thread_that_opens_the_index_drops_no_lock_of_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "index.db"
    program = "import os, sys; from imgret.store.factory import open_store; s = open_store(sys.argv[1]);"
    program += "s.roots.add(b'/p'); os.kill(os.getpid(), 9)"
    subprocess.run([sys.executable, "-c", program, str(path)], check=False)
    assert Path(f"{path}-wal").stat().st_size > 0  # so that the files beside the index are looked at
    looks, others_turn = identity._is_foreign, threading.Event()
    opened = []

    def slow_look(*arguments: object) -> bool:
        others_turn.set()
        second.join(1)  # time enough to open the index, if nothing holds the other thread back
        return looks(*arguments)  # type: ignore[arg-type]

    def open_meanwhile() -> None:
        others_turn.wait(30)
        opened.append(open_store(str(path)))

    second = threading.Thread(target=open_meanwhile)
    second.start()
    monkeypatch.setattr(identity, "_is_foreign", slow_look)
    with open_store(str(path)):
        second.join(30)
        assert len(opened) == 1
        assert locked_for_others(path)
    opened[0].close()
