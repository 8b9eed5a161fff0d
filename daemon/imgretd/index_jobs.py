"""The requests of `imgret index`: whether their folders were scanned, and the problems found there."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

from imgret.intake import SyncResult
from imgretd.dirty import is_in
from imgretd.reconciler import Reconciler

MOST_JOBS = 100  # kept; the oldest is forgotten
MOST_PROBLEMS = 100  # of one job


@dataclass
class _Job:
    paths: list[bytes]
    problems: list[str] = field(default_factory=list)
    offline: dict[str, str] = field(default_factory=dict)  # folder -> why


class Jobs:
    """The requested folders. Thread-safe."""

    def __init__(self, reconciler: Reconciler) -> None:
        self._reconciler = reconciler
        self._lock = threading.Lock()
        self._jobs: OrderedDict[int, _Job] = OrderedDict()
        self._last = 0

    def add(self, paths: list[bytes]) -> int:
        """Record the results for these folders from now on. Returns the number of the job."""
        with self._lock:
            self._last += 1
            self._jobs[self._last] = _Job(paths)
            if len(self._jobs) > MOST_JOBS:
                self._jobs.popitem(last=False)
            return self._last

    def synced(self, folder: bytes, found: SyncResult) -> None:
        """Add the result of a scan of `folder`, or of a part of it, to the jobs that it concerns."""
        with self._lock:
            for job in self._jobs.values():
                for path in job.paths:
                    if is_in(path, folder):
                        _keep(job, path, folder, found)

    def progress(self, number: int) -> dict[str, Any]:
        """Return whether the folders of a job are still to be scanned (`looking`), its `problems` and `offline`."""
        with self._lock:
            job = self._jobs.get(number, _Job([]))
            problems, offline = list(job.problems), dict(job.offline)
        looking = any(self._reconciler.is_to_scan(path) for path in job.paths)
        return {"looking": looking, "problems": problems, "offline": offline}


def _keep(job: _Job, path: bytes, folder: bytes, found: SyncResult) -> None:
    name = os.fsdecode(path)
    if found.offline is not None:
        job.offline[name] = found.offline
    else:
        job.offline.pop(name, None)
    # A scan of a parent folder also finds problems elsewhere, so select those that name the path of the job.
    ours = [problem for problem in found.problems if path == folder or name in problem]
    fresh = [problem for problem in ours if problem not in job.problems]
    job.problems += fresh[: MOST_PROBLEMS - len(job.problems)]
