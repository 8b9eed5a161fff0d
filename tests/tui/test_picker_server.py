"""The picker on an index on a server: it shows at once what other processes commit."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from postgres_server import PostgresServer

from imgret_tui import picker_app

SAVE = """
import sys
from imgret.photo import FileStat
from imgret.store.factory import open_store
with open_store(sys.argv[1]) as store:
    root, name = store.roots.add(b"/photos").id, sys.argv[2].encode()
    store.photos.save(root, b"", name, FileStat(1, 1, 1, 1), name.ljust(32), 1_700_000_000)
"""


async def test_the_status_changes_when_another_process_commits(
    postgres_server: PostgresServer, run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    place = postgres_server.new_library()
    monkeypatch.setenv("IMGRET_INDEX", place)
    monkeypatch.setattr(picker_app, "SERVER_REFRESH_SECONDS", 3600.0)

    async def save(name: str) -> None:
        await asyncio.to_thread(subprocess.run, [sys.executable, "-c", SAVE, place, name], check=True)

    await save("first.jpg")
    async with run() as here:
        await here.until(lambda: "1 photo" in here.text("#status"), 60)
        await save("second.jpg")
        await here.until(lambda: "2 photos" in here.text("#status"), 60)
    postgres_server.remove_library(place)
