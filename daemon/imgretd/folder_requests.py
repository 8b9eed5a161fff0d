"""Requests to scan folders at once (`imgret index`), and how far each request is."""

from __future__ import annotations

import os
from typing import Any

from imgret import disk_calls
from imgret.config import Places
from imgret.errors import UsageError
from imgret.store.factory import open_store
from imgretd.control import CONTROL_SECONDS
from imgretd.threads import Threads


class FolderRequests:
    """Called in the event loop; disks and the index are accessed on the control threads."""

    def __init__(self, places: Places, threads: Threads) -> None:
        self._places = places
        self._threads = threads

    async def resolve(self, paths: list[bytes]) -> list[bytes]:
        """Resolve the links in these absolute paths. Raises UsageError for a path that is not a folder."""
        return await self._threads.probe.run(lambda: [_folder(path) for path in paths], CONTROL_SECONDS)

    async def start_scan(self, paths: list[bytes]) -> int:
        """Scan these folders now and describe new photos. Returns the job number for `scan_progress`.

        Raises DaemonError while the daemon cannot start to work.
        """
        await self._threads.wait_until_begun()
        job = self._threads.jobs.add(paths)
        await self._threads.control.run(lambda: self._also(paths), CONTROL_SECONDS)
        self._threads.update_state()
        return job

    def scan_progress(self, job: int) -> dict[str, Any]:
        """Return the progress of a job, and why it may not continue."""
        problem = self._threads.reconciler.problem or self._threads.worker.problem or self._threads.slow()
        return {
            **self._threads.jobs.progress(job),
            "waits_for": "paused" if self._threads.paused else self._threads.worker.waits_for,
            "problem": problem,
            "broken": sorted(self._threads.worker.broken.values()),
        }

    def _also(self, paths: list[bytes]) -> None:
        with open_store(self._places.index) as store:
            self._threads.folders.scan_once(store, paths)


def _folder(path: bytes) -> bytes:
    return disk_calls.call(path, lambda: _resolved(path))


def _resolved(path: bytes) -> bytes:
    if not os.path.isdir(path):
        raise UsageError(f"{os.fsdecode(path)} is not a folder")
    return os.path.realpath(path)
