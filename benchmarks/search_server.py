"""The part of `benchmarks.search` that measures a library on a PostgreSQL server beside the same one in a file.

The library is made in a file, and copied to the server as `imgret copy-index` does. Then both are searched with the same
queries: through a daemon each, in turns, and by HNSW alone, as a client without a daemon does.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from benchmarks.search_daemon import Served, served
from benchmarks.search_library import Generator, library
from imgret import stage_results
from imgret.store import copying
from imgret.store.factory import open_store
from imgret.store.interface import Store
from imgret.store.records import Space

K = 20
CANDIDATES = 80  # that a search by HNSW returns; the best K of them are compared with the exact ones
SHARES = (1.0, 0.5, 0.1, 0.01, 0.001)  # of the photos that pass a filter

Matrix = NDArray[np.float32]
Ids = NDArray[np.int64]


def measure(folder: str, photos: int, queries: int, server: str) -> None:
    """Measure and print a library on a server and the same one in a file, for one size."""
    generator = Generator()
    with library(folder, photos, generator) as store:
        print(f"\n{photos} photos on a server and in a file, {queries} queries", flush=True)
        place = place_of(server, photos)
        copied(store, place, photos)
        space = store.vectors.active_space()
        assert space is not None
        ids, matrix = store.vectors.all(space, "passage")
        path = store.path
    chosen = np.random.default_rng(3).choice(min(photos, 10_000), queries, replace=False)
    by_hnsw(place, ids, matrix, generator.queries(matrix[chosen], seed=5))
    through_daemons(path, place, [int(ids[at]) for at in chosen])


def place_of(server: str, photos: int) -> str:
    """Return the address of the library of this size: a schema of its own."""
    joined = f"{server}{'&' if '?' in server else '?'}"
    return f"{joined}options={quote(f'-c search_path=search_{photos},public')}"


def copied(source: Store, place: str, photos: int) -> None:
    """Copy a library to the server, unless it is there, and print how long each part took."""
    with open_store(place, unfinished=True) as server:
        if server.vectors.active_spaces() and not server.setting("copying"):
            return
        rows = 0

        def count(done: int, total: int) -> None:
            nonlocal rows
            rows = max(done, total)

        seconds = _seconds(lambda: copying.copy(source, server, count))
        print(
            f"  copied: {rows / seconds:.0f} rows a second, {photos / seconds:.0f} photos a second",
            flush=True,
        )
        seconds = _seconds(lambda: server.results.rebuild_words(stage_results.texts))
        print(f"  words index: {photos / seconds:.0f} photos a second", flush=True)
        server.checkpoint()
        print(f"  HNSW index: {_seconds(server.vectors.rebuild):.0f} s", flush=True)
        copying.finish(server)
        server.checkpoint()


def by_hnsw(place: str, ids: Ids, matrix: Matrix, queries: Matrix) -> None:
    """Print the time and the recall of searches by the HNSW index, with and without filters."""
    rng = np.random.default_rng(9)
    with open_store(place) as server:
        space = server.vectors.active_space()
        assert space is not None
        for share in SHARES:
            among = None
            if share < 1:
                among = np.sort(rng.choice(ids, max(1, int(len(ids) * share)), replace=False))
            print(
                f"  HNSW, {share:7.1%} pass {_found(server, space, ids, matrix, queries, among)}", flush=True
            )


def _found(server: Store, space: Space, ids: Ids, matrix: Matrix, queries: Matrix, among: Ids | None) -> str:
    allowed = np.arange(len(ids)) if among is None else np.flatnonzero(np.isin(ids, among))
    times, recalls = [], []
    for query in queries:
        began = time.perf_counter()
        found = server.nearest.search(space, query, CANDIDATES, among)[:K]
        times.append((time.perf_counter() - began) * 1e3)
        scores = matrix[allowed] @ query
        best = ids[allowed[np.argsort(-scores, kind="stable")[:K]]]
        recalls.append(len(set(found.tolist()) & set(best.tolist())) / len(best))
    return f"p50 {np.median(times):8.1f} ms  recall@{K} {np.mean(recalls):.4f}"


def through_daemons(file: str, place: str, targets: Sequence[int]) -> None:
    """Print the latency through two daemons, one for the file and one for the server, measured in turns."""
    with served(file) as of_file, served(place) as of_server:
        both = (("file", of_file), ("server", of_server))
        for rank, text in (("vector", ""), ("hybrid", "red giraffe")):
            times: dict[str, list[float]] = {name: [] for name, _ in both}
            for target in targets:
                for name, daemon in both:
                    times[name].append(_seconds(partial(_search, daemon, target, text, rank)) * 1e3)
            for name, _ in both:
                p50, p95 = np.percentile(times[name], [50, 95])
                print(f"  daemon, {rank}, {name:6s} p50 {p50:6.1f} ms  p95 {p95:6.1f} ms", flush=True)


def _search(daemon: Served, target: int, text: str, rank: str) -> object:
    return daemon.like(target, text=text, rank=rank, k=K)


def _seconds(job: Callable[[], object]) -> float:
    began = time.perf_counter()
    job()
    return time.perf_counter() - began
