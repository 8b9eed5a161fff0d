"""The part of `benchmarks.search` that uses a real imgretd: its socket, its memory, its threads.

The queries are photos of the library (`--like`) with known vectors, so the time for embedding is not measured. Queries
with text as well search all views and the words.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from benchmarks.search_library import MODEL, path_of
from imgret.client.socket_client import Connection
from imgret.store.sqlite.sqlite_store import SqliteStore
from testbed.home import NO_MODELS, Daemon, Home

BATCH = 64  # photos per commit
PAUSE = 0.1  # seconds between two commits

Matrix = NDArray[np.float32]


class Served:
    """A daemon that serves one library."""

    def __init__(self, daemon: Daemon, connection: Connection) -> None:
        self.daemon, self._connection = daemon, connection

    def like(self, content: int, *, text: str = "", rank: str, k: int, before: str = "") -> list[int]:
        """Return the contents nearest to that of a photo."""
        params = {
            "like": path_of(content),
            "text": text,
            "rank": rank,
            "k": k,
            "format": "json",
            "apart": True,
            "filters": [("before", before)] if before else [],
        }
        _, output = self._connection.request_bytes("query", params)
        return [int(json.loads(line)["path"][-11:-4]) for line in output.splitlines()]


@contextmanager
def served(path: str) -> Iterator[Served]:
    """Start a daemon for the library in this file, and yield it once its vectors are in memory."""
    with Home(NO_MODELS) as home:
        home.environ["IMGRET_INDEX"] = path
        with home.daemon() as daemon, Connection(home.places.socket) as connection:
            library = Served(daemon, connection)
            library.like(1, rank="vector", k=1)  # starts loading
            used = -1.0
            while daemon.cpu_seconds() - used > 0.05:
                used = daemon.cpu_seconds()
                time.sleep(1)
            yield library


@contextmanager
def writing(path: str, matrix: Matrix) -> Iterator[Callable[[], int]]:
    """Commit batches to the library in another thread. Yields a function that returns the number of commits so far."""
    stop, batches = threading.Event(), [0]

    def write() -> None:
        with SqliteStore(path) as store:
            top = int(store.db.execute("SELECT max(id) FROM content").get)
            while not stop.wait(PAUSE):
                with store.writing() as db:
                    for row in matrix[:BATCH]:
                        top += 1
                        db.execute("INSERT INTO content (id, hash) VALUES (?, ?)", (top, b"%032d" % top))
                        store.vectors.save(top, MODEL, {"passage": row, "captions": row})
                batches[0] += 1

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield lambda: batches[0]
    finally:
        stop.set()
        thread.join()
        with SqliteStore(path) as store:
            store.contents.forget(range(len(matrix) + 1, len(matrix) + 1 + BATCH * batches[0]))


def for_seconds(least: float, search: Callable[[int], object], questions: Sequence[int]) -> list[float]:
    """Run these queries repeatedly for at least `least` seconds. Return the milliseconds of each."""
    times: list[float] = []
    end = time.perf_counter() + least
    while time.perf_counter() < end:
        for question in questions:
            began = time.perf_counter()
            search(question)
            times.append((time.perf_counter() - began) * 1e3)
    return times
