"""Latency and recall of searches in two spaces: `python -m benchmarks.two_spaces --photos 100000 --folder FOLDER`.

A library with a text space and an image space, both calibrated on real vectors where these are at hand
(`benchmarks.search_vectors`), is generated in a temporary folder; --folder keeps it for the next run. Queries have a
text vector near a caption and an image vector as far from the images as CLIP's questions are.

Prints p50 and p99 in milliseconds and p50 of the processor time, with the vectors in memory, in process by the files of
codes and by the tables, and recall@20: of `--rank vector` and
`--rank image` against the cosines of all photos, of the hybrid ranking against a search that scores 1,500 candidates of
each source exactly. The same with filters that select 0.1 %, 1 %, 10 % and 50 % of the photos. Then the memory of a daemon, and
the time of queries over its socket. A million photos need 8 GB of disk and 3 GB of memory.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar

import numpy as np

from benchmarks.search_daemon import for_seconds, served
from benchmarks.search_library import FIRST_DAY, LAST_DAY
from benchmarks.search_vectors import Generator, Matrix
from benchmarks.two_spaces_library import IMAGE_MODEL, TEXT_MODEL, fill
from imgret.photo import ModelIdentity
from imgret.search import parse, rank
from imgret.search.parse import ParsedQuery
from imgret.search.warm_index import WarmIndex, WarmIndexLoader, loaded
from imgret.store.clauses import Clause, Taken
from imgret.store.records import IMAGE, TEXT
from imgret.store.sqlite.sqlite_store import SqliteStore

T = TypeVar("T")

K = 20
SECONDS = 5.0  # of queries through the daemon
REFERENCE = 1500  # candidates of each source
MIDDLE = datetime.fromtimestamp((FIRST_DAY + LAST_DAY) // 2, UTC).date().isoformat()
SHARES = (0.001, 0.01, 0.1, 0.5)  # of the photos that a filter selects


class PrecomputedVectors:
    """A query encoder with precomputed vectors, so that the time for embedding is not measured."""

    def __init__(self, identity: ModelIdentity, texts: Sequence[str], matrix: Matrix) -> None:
        self.identity = identity
        self._vectors = dict(zip(texts, matrix, strict=True))

    def vectors(self, texts: list[str]) -> Matrix:
        """Return the vectors of these texts, (texts, dimension)."""
        return np.stack([self._vectors[text] for text in texts])


class Measurement:
    """Searches one library."""

    def __init__(self, store: SqliteStore, generator: Generator, queries: int) -> None:
        self._store = store
        self._spaces = {space.stage: space for space in store.vectors.active_spaces()}
        photos = store.nearest.count(self._spaces[TEXT])
        ids = np.random.default_rng(3).choice(photos, queries, replace=False) + 1
        near = {
            stage: store.vectors.of(space, ids, (space.lead,))[space.lead]
            for stage, space in self._spaces.items()
        }
        sql = "SELECT caption FROM document WHERE content = ?"
        captions = [str(store.db.execute(sql, (at,)).get) for at in ids.tolist()]
        texts = [f"{' '.join(caption.split()[4:7])} number {n}" for n, caption in enumerate(captions)]
        self.vectors = {
            TEXT: generator.text_questions(near[TEXT], 5),
            IMAGE: generator.image_questions(near[IMAGE], 6),
        }
        self._text = PrecomputedVectors(TEXT_MODEL, texts, self.vectors[TEXT])
        self._image = PrecomputedVectors(IMAGE_MODEL, texts, self.vectors[IMAGE])
        self.queries = [parse.parse(text, datetime.now()) for text in texts]

    def nearest(self, stage: str) -> list[set[int]]:
        """Return the K nearest contents of each query by the cosines of all photos."""
        query_vectors = self.vectors[stage]
        best, ids = np.zeros((len(query_vectors), 0), np.float32), np.zeros((len(query_vectors), 0), np.int64)
        for step, rows in self._store.nearest.leading_vectors(self._spaces[stage]):
            best = np.hstack([best, query_vectors @ rows.T])
            ids = np.hstack([ids, np.broadcast_to(step, (len(query_vectors), len(step)))])
            top = np.argsort(-best, axis=1)[:, :K]
            best, ids = np.take_along_axis(best, top, axis=1), np.take_along_axis(ids, top, axis=1)
        return [set(row) for row in ids.tolist()]

    def run(self, query: ParsedQuery, kind: str, warm: WarmIndex | None) -> set[int]:
        """Search once."""
        found = rank.search(
            self._store,
            query,
            self._text,
            others={IMAGE: self._image},
            rank=kind,
            limit=K,
            all_copies=True,
            warm=warm,
        )
        return {hit.content for hit in found.hits}

    def reference(self, queries: Sequence[ParsedQuery], warm: WarmIndex) -> list[set[int]]:
        """Return the hits of each query when many more candidates are scored exactly."""
        usual, rank.POOL = rank.POOL, REFERENCE
        try:
            return [self.run(query, "hybrid", warm) for query in queries]
        finally:
            rank.POOL = usual

    def row(
        self,
        label: str,
        queries: Sequence[ParsedQuery],
        right: Sequence[set[int]],
        kind: str,
        warm: Callable[[], WarmIndex | None],
    ) -> None:
        """Time each query after two warm-up queries, and print a line. `warm` is called for each query."""
        for query in queries[:2]:
            self.run(query, kind, warm())
        times, used, shares = [], [], []
        for query, expected in zip(queries, right, strict=True):
            started, before = time.perf_counter(), time.process_time()
            found = self.run(query, kind, warm())
            times.append((time.perf_counter() - started) * 1e3)
            used.append((time.process_time() - before) * 1e3)
            shares.append(len(found & expected) / len(expected))
        p50, p99 = np.percentile(times, [50, 99])
        print(
            f"  {label:28s} p50 {p50:7.1f} ms  p99 {p99:7.1f} ms  processor {np.median(used):7.1f} ms"
            f"  recall@{K} {np.mean(shares):.4f}",
            flush=True,
        )


def main() -> None:
    """Run the benchmark for each size."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--photos", type=int, nargs="+", default=[10_000])
    parser.add_argument("--queries", type=int, default=60)
    parser.add_argument("--folder", help="folder for the libraries, which are reused")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="imgret-bench-") as temporary:
        for photos in arguments.photos:
            path = os.path.join(arguments.folder or temporary, f"two-spaces-{photos}.db")
            measure(path, photos, arguments.queries)


def measure(path: str, photos: int, queries: int) -> None:
    """Measure and print everything for one size."""
    generator, built = Generator(), os.path.exists(path)
    with SqliteStore(path) as store:
        if not built:
            fill(store, generator, photos)
            store.vectors.rebuild()
            store.checkpoint()
        measured = Measurement(store, generator, queries)
        calibrated = "calibrated on real vectors" if generator.calibrated else "built-in figures"
        print(
            f"\n{photos} photos ({calibrated}), {queries} queries, file {os.path.getsize(path) / 1e6:.0f} MB"
        )
        before = _memory()
        computed = timed("codes computed", lambda: WarmIndex(store))
        print(f"in memory: {computed.nbytes / 1e6:.0f} MB, the process grew by {_memory() - before:.0f} MB")
        timed("codes saved", partial(computed.save, store, lambda: False))
        del computed
        in_this_process(store, measured)
    through_daemon(path, photos, queries)


def in_this_process(store: SqliteStore, measured: Measurement) -> None:
    """Measure with the codes in memory, by their files, and by the tables."""
    warm = timed("codes read from their files", lambda: WarmIndex(store, loaded))

    def held() -> WarmIndex:
        return warm

    def filed() -> WarmIndex | None:
        return WarmIndexLoader(store.path, load=False).current(store)

    plain = measured.queries
    measured.row("in memory, vector", plain, measured.nearest(TEXT), "vector", held)
    measured.row("in memory, image", plain, measured.nearest(IMAGE), "image", held)
    right = measured.reference(plain, warm)
    measured.row("in memory, hybrid", plain, right, "hybrid", held)
    for share in SHARES:
        bound = int(FIRST_DAY + (LAST_DAY - FIRST_DAY) * share)
        filtered = [ParsedQuery(q.words, q.terms, clauses=(Clause(Taken(None, bound)),)) for q in plain]
        passing = measured.reference(filtered, warm)
        measured.row(f"in memory, hybrid, {share:.1%} pass", filtered, passing, "hybrid", held)
        measured.row(f"by files, hybrid, {share:.1%} pass", filtered, passing, "hybrid", filed)
    measured.row("by files, hybrid", plain, right, "hybrid", filed)
    measured.row("by tables, hybrid", plain[:20], right[:20], "hybrid", lambda: None)


def timed(label: str, run: Callable[[], T]) -> T:
    """Run something, print its elapsed and its processor time, and return its result."""
    started, before = time.perf_counter(), time.process_time()
    found = run()
    print(
        f"{label} in {time.perf_counter() - started:.1f} s, {time.process_time() - before:.1f} s of the processor"
    )
    return found


def through_daemon(path: str, photos: int, queries: int) -> None:
    """Time hybrid queries through a daemon's socket; their vectors are those of photos, in both spaces."""
    chosen = (np.random.default_rng(4).choice(photos, queries, replace=False) + 1).tolist()
    with served(path) as library:
        print(f"  daemon: {library.daemon.own_bytes() / 1e6:.0f} MB")
        for label, before in (("daemon, hybrid", ""), ("daemon, hybrid, 50 % pass", MIDDLE)):
            search = partial(library.like, rank="hybrid", k=K, before=before)
            for_seconds(0.5, search, chosen[:5])
            p50, p99 = np.percentile(for_seconds(SECONDS, search, chosen), [50, 99])
            print(f"  {label:28s} p50 {p50:7.1f} ms  p99 {p99:7.1f} ms", flush=True)


def _memory() -> float:
    """Return the resident memory of this process in MB."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


if __name__ == "__main__":
    main()
