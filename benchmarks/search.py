"""Latency and recall of the search: `python -m benchmarks.search --photos 10000 100000 1000000`.

For each size a library is created in a temporary folder (--folder keeps it for the next run), and the same queries are
run with

- imgret's search in process, from the file, and with the vectors in memory, as in a batch of queries;
- imgret's search through the daemon and its socket;
- sqlite-vec's float32 table, a float32 array in memory, and a search that reads all vectors from SQLite for each query.

Prints warm p50 and p99 in milliseconds, recall@20 against the exact result, and the size in memory and on disk; the same
with filters that select 0.1 %, 1 %, 10 % and 50 % of the photos; and, through the daemon, while batches of 64 photos are
committed. A million photos need 8 GB of disk, 6 GB of memory, and about ten minutes.

With `--index postgresql --server ADDRESS`, the library is copied to a server, into a schema of its own that stays there for
the next run; then searches on the server and in the file are compared (`search_server`).
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from benchmarks import search_server
from benchmarks.search_daemon import for_seconds, served, writing
from benchmarks.search_library import DIMENSION, FIRST_DAY, LAST_DAY, MODEL, Generator, library
from imgret.photo import ModelIdentity
from imgret.search import parse, rank
from imgret.search.parse import ParsedQuery
from imgret.search.warm_index import WarmIndex
from imgret.store.clauses import Clause, Taken
from imgret.store.sqlite.sqlite_store import SqliteStore

K = 20
SECONDS = 5.0  # of queries, each when idle and while batches are committed
SHARES = (0.001, 0.01, 0.1, 0.5)  # of the photos that a filter selects
DAYS = [int(FIRST_DAY + (LAST_DAY - FIRST_DAY) * share) // 86_400 * 86_400 for share in SHARES]
Matrix = NDArray[np.float32]
SearchFunction = Callable[[ParsedQuery], list[int]]
Q = TypeVar("Q")


class PrecomputedVectors:
    """A query encoder with precomputed vectors, so that the time for embedding is not measured."""

    identity: ModelIdentity = MODEL

    def __init__(self, texts: Sequence[str], matrix: Matrix) -> None:
        self._vectors = dict(zip(texts, matrix, strict=True))

    def vectors(self, texts: Sequence[str]) -> Matrix:
        """Return the vectors of these texts, (texts, dimension)."""
        return np.stack([self._vectors[text] for text in texts])


def main() -> None:
    """Run the benchmark for each size."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--photos", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--queries", type=int, default=60)
    parser.add_argument("--questions", type=int, dest="queries", help=argparse.SUPPRESS)  # the old name
    parser.add_argument("--folder", help="folder for the libraries, which are reused")
    parser.add_argument("--index", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--server", help="with --index postgresql: the address of an empty database")
    arguments = parser.parse_args()
    if arguments.index == "postgresql" and not arguments.server:
        parser.error("--index postgresql needs --server, the address of a database")
    with tempfile.TemporaryDirectory(prefix="imgret-bench-") as temporary:
        for photos in arguments.photos:
            folder = arguments.folder or temporary
            if arguments.server:
                search_server.measure(folder, photos, arguments.queries, arguments.server)
            else:
                measure(folder, photos, arguments.queries)


def measure(folder: str, photos: int, queries: int) -> None:
    """Measure and print everything for one size."""
    generator = Generator()
    store = library(folder, photos, generator)
    path = store.path
    space = store.vectors.active_space()
    assert space is not None
    ids, matrix = store.vectors.all(space, "passage")
    chosen = np.random.default_rng(3).choice(min(photos, 10_000), queries, replace=False)
    vectors = generator.queries(matrix[chosen], seed=5)
    captions = [
        store.db.execute("SELECT caption FROM document WHERE content = ?", (int(ids[at]),)).get
        for at in chosen
    ]
    texts = [f"{' '.join(str(caption).split()[4:7])} number {n}" for n, caption in enumerate(captions)]
    given = PrecomputedVectors(texts, vectors)
    plain = [parse.parse(text, datetime.now()) for text in texts]
    size = os.path.getsize(path) / 1e6
    calibrated = "calibrated on real vectors" if generator.calibrated else "built-in spectrum"
    print(f"\n{photos} photos ({calibrated}), {len(plain)} queries, file {size:.0f} MB")
    exact = [set(ids[_top(matrix @ q)].tolist()) for q in vectors]
    before = _memory()
    started = time.perf_counter()
    warm = WarmIndex(store)
    loaded = time.perf_counter() - started
    print(f"in memory: {warm.nbytes / 1e6:.0f} MB, loaded in {loaded:.1f} s (process {before:.0f} MB before)")

    def ours(kind: str, held: WarmIndex | None) -> SearchFunction:
        return lambda question: [
            h.content
            for h in rank.search(store, question, given, rank=kind, limit=K, all_copies=True, warm=held).hits
        ]

    _row("in memory, vector", plain, ours("vector", warm), exact)
    _row("in memory, hybrid", plain, ours("hybrid", warm))
    _row("in process, vector", plain, ours("vector", None), exact)
    _row("in process, hybrid", plain, ours("hybrid", None))
    _row("in process, words", plain, ours("words", None))
    _row("numpy float32", plain, lambda q: ids[_top(matrix @ given.vectors([q.words])[0])].tolist(), exact)
    few = plain[: max(5, min(queries, 2_000_000 // photos))]
    _row(
        "all vectors read for each query", few, lambda q: _read_all(store, given.vectors([q.words])[0]), exact
    )
    _float_table(folder, photos, ids, matrix, few, given, exact)
    days = np.array(_days(path))
    for share, bound in zip(SHARES, DAYS, strict=True):
        passing = np.flatnonzero(days < bound)
        right = [set(ids[passing[_top(matrix[passing] @ q)]].tolist()) for q in vectors]
        filtered = [ParsedQuery(q.words, q.terms, clauses=(Clause(Taken(None, bound)),)) for q in plain]
        _row(f"in memory, vector, {share:.1%} pass", filtered, ours("vector", warm), right)
        _row(f"in process, vector, {share:.1%} pass", filtered[:20], ours("vector", None), right)
    store.close()
    _through_the_daemon(path, ids, matrix, chosen)
    print(
        f"  peak memory of this process {_memory():.0f} MB; cold whole process {_cold(path):.0f} ms (words)"
    )


def _row(
    name: str,
    questions: Sequence[Q],
    search: Callable[[Q], list[int]],
    exact: Sequence[set[int]] | None = None,
) -> float:
    """Time each query after two warm-up queries, print a line, and return p50 in milliseconds."""
    for question in questions[:2]:
        search(question)
    times, results = [], []
    for question in questions:
        started = time.perf_counter()
        results.append(search(question))
        times.append((time.perf_counter() - started) * 1e3)
    p50, p99 = np.percentile(times, [50, 99])
    line = f"  {name:34s} p50 {p50:8.1f} ms  p99 {p99:8.1f} ms"
    if exact is not None:
        shares = [
            len(right & set(result)) / max(len(right), 1)
            for right, result in zip(exact, results, strict=False)
        ]
        line += f"  recall@{K} {np.mean(shares):.4f}"
    print(line, flush=True)
    return float(p50)


def _top(scores: Matrix, count: int = K) -> NDArray[np.int64]:
    if len(scores) <= count:
        return np.argsort(-scores)
    top = np.argpartition(-scores, count)[:count]
    return np.asarray(top[np.argsort(-scores[top])], np.int64)


def _days(path: str) -> list[int]:
    """Return the capture time of each photo, ordered by id."""
    with SqliteStore(path) as store:
        return [int(row[0]) for row in store.db.execute("SELECT taken_at FROM content ORDER BY id")]


def _read_all(store: SqliteStore, query: Matrix) -> list[int]:
    """Read all vectors from SQLite and multiply them: a search without a vector index."""
    sql = "SELECT content, data FROM vector WHERE space = 1 AND view = 'passage'"
    rows: list[Any] = store.db.execute(sql).fetchall()
    matrix = np.frombuffer(b"".join(row[1] for row in rows), np.float16).reshape(len(rows), -1)
    return [rows[at][0] for at in _top(matrix.astype(np.float32) @ query)]


def _float_table(
    folder: str,
    photos: int,
    ids: NDArray[np.int64],
    matrix: Matrix,
    questions: Sequence[ParsedQuery],
    given: PrecomputedVectors,
    exact: Sequence[set[int]],
) -> None:
    path = os.path.join(folder, f"float-{photos}.db")
    table = SqliteStore(path)
    table.db.execute(
        f"CREATE VIRTUAL TABLE v USING vec0 (content INTEGER PRIMARY KEY, e float[{DIMENSION}] distance_metric=cosine)"
    )
    with table.writing() as db:
        db.executemany(
            "INSERT INTO v VALUES (?, ?)",
            ((i, row.tobytes()) for i, row in zip(ids.tolist(), matrix, strict=True)),
        )
    sql = f"SELECT content FROM v WHERE e MATCH ? AND k = {K} ORDER BY distance"
    _row(
        "sqlite-vec float32",
        questions,
        lambda q: [r[0] for r in table.db.execute(sql, (given.vectors([q.words])[0].tobytes(),))],
        exact,
    )
    table.close()
    for end in ("", "-wal", "-shm"):
        if os.path.exists(path + end):
            os.unlink(path + end)


def _through_the_daemon(path: str, ids: NDArray[np.int64], matrix: Matrix, chosen: NDArray[np.int64]) -> None:
    """Measure searches by photo through imgretd's socket, when idle and while batches are committed."""
    targets = [int(ids[at]) for at in chosen]

    def right(passing: NDArray[np.int64]) -> list[set[int]]:
        found = []
        for at in chosen:
            near = passing[_top(matrix[passing] @ matrix[at], K + 1)]
            found.append(set(ids[near[near != at][:K]].tolist()))
        return found

    everything = np.arange(len(ids))
    with served(path) as daemon:
        vector = _row(
            "daemon, vector", targets, lambda c: daemon.like(c, rank="vector", k=K), right(everything)
        )
        _row("daemon, hybrid", targets, lambda c: daemon.like(c, text="red giraffe", rank="hybrid", k=K))
        for share, before in zip(SHARES, DAYS, strict=True):
            passing = right(np.flatnonzero(np.array(_days(path)) < before))
            day = datetime.fromtimestamp(before, UTC).date().isoformat()

            def filtered(content: int, day: str = day) -> list[int]:
                return daemon.like(content, rank="vector", k=K, before=day)

            p50 = _row(f"daemon, vector, {share:.1%} pass", targets, filtered, passing)
            print(f"    {p50 / vector:.2f} times the latency without a filter")

        def hybrid(content: int) -> list[int]:
            return daemon.like(content, text="red giraffe", rank="hybrid", k=K)

        quiet = for_seconds(SECONDS, hybrid, targets)
        with writing(path, matrix) as batches:
            busy = for_seconds(SECONDS, hybrid, targets)
            done = batches()
        ratios = [np.percentile(busy, at) / np.percentile(quiet, at) for at in (50, 99)]
        print(
            f"  daemon, hybrid, while {done} batches of 64 were committed: p50 {np.median(busy):.1f} ms,"
            f" {ratios[0]:.2f} times the latency when idle (p99 {ratios[1]:.2f} times)"
        )
        print(f"  memory of the daemon: {daemon.daemon.own_bytes() / 1e6:.0f} MB, without the mapped file")


def _cold(path: str) -> float:
    """Return the milliseconds of `imgret query` as a new process, ranked by words, so that no model is loaded."""
    times = []
    for _ in range(3):
        started = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "imgret", "query", "--rank", "words", "red giraffe"],
            env={**os.environ, "IMGRET_INDEX": path, "IMGRET_SOCKET": "/nonexistent"},
            stdout=subprocess.DEVNULL,
            check=False,
        )
        times.append((time.perf_counter() - started) * 1e3)
    return float(np.median(times))


def _memory() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


if __name__ == "__main__":
    main()
