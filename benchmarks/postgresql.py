"""Compare the two engines in one run: copying, claims, words, nearest neighbours with filters, size.

python -m benchmarks.postgresql --server postgresql://USER@HOST/DATABASE --photos 10000

The library is made in the schema `benchmark` of the database and removed at the end. With --daemons, only the describing
of photos by several daemons is measured (`postgresql_hosts`), with --saving, only the saving of results (`postgresql_saving`).
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from functools import partial
from urllib.parse import quote

import numpy as np
import psycopg

from benchmarks import postgresql_hosts, postgresql_saving
from benchmarks.search_library import Generator, fill
from imgret import stage_results
from imgret.store import copying
from imgret.store.factory import open_store
from imgret.store.interface import Store
from imgret.store.postgres import pg_nearest
from imgret.store.sqlite.sqlite_store import SqliteStore

NOW = 1_700_000_000
SHARES = (1.0, 0.5, 0.1, 0.01)  # of the photos that pass a filter
STAGES = ("image", "detect", "topics")


def main() -> int:
    """Run the benchmark and print its figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.postgresql", description=__doc__)
    parser.add_argument("--server", help="the address of an empty database; without it, nothing is measured")
    parser.add_argument("--photos", type=int, default=10_000)
    parser.add_argument("--queries", type=int, default=50)
    parser.add_argument(
        "--exact", type=int, default=pg_nearest.EXACT, help="photos from which on HNSW is used"
    )
    parser.add_argument(
        "--daemons", type=int, metavar="PHOTOS", help="describe this many with 1, 2, 4 daemons"
    )
    parser.add_argument("--saving", action="store_true", help="measure only how fast results are saved")
    options = parser.parse_args()
    if not options.server:
        print("postgresql: not measured; --server names a database")
        return 0
    pg_nearest.EXACT = options.exact
    joined = f"{options.server}{'&' if '?' in options.server else '?'}"
    place = f"{joined}options={quote('-c search_path=benchmark,public')}"
    if options.daemons:
        postgresql_hosts.daemons(place, options.daemons)
        return 0
    with psycopg.connect(options.server, autocommit=True) as admin:
        admin.execute("DROP SCHEMA IF EXISTS benchmark CASCADE")
        if options.saving:
            with open_store(place) as server:
                postgresql_saving.saving("server", server)
            postgresql_saving.savers(place)
            admin.execute("DROP SCHEMA benchmark CASCADE")
            return 0
        with tempfile.TemporaryDirectory() as folder, SqliteStore(f"{folder}/index.db") as sqlite:
            generator = Generator()
            vectors = np.concatenate([each for each, _ in fill(sqlite, generator, options.photos)])
            sqlite.vectors.rebuild()
            with open_store(place) as server:
                _compare(sqlite, server, generator.queries(vectors[: options.queries], 5), options.photos)
            postgresql_saving.savers(place)
            postgresql_hosts.claims(place, options.photos)
            admin.execute("VACUUM ANALYZE")
            size = admin.execute(
                "SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relkind = 'r'"
                " AND relnamespace = 'benchmark'::regnamespace"
            ).fetchone()
            print(f"size on the server: {int(size[0]) / options.photos:.0f} bytes a photo" if size else "")
        admin.execute("DROP SCHEMA benchmark CASCADE")
    return 0


def _compare(sqlite: Store, server: Store, queries: np.ndarray, photos: int) -> None:
    rows = 0

    def count(done: int, total: int) -> None:
        nonlocal rows
        rows = max(done, total)

    seconds = _seconds(lambda: copying.copy(sqlite, server, count))
    print(
        f"copying: {rows / seconds:.0f} rows a second, {photos / seconds:.0f} photos a second, compared afterwards"
    )
    seconds = _seconds(lambda: server.results.rebuild_words(stage_results.texts))
    print(f"words index rebuilt: {photos / seconds:.0f} photos a second")
    print(f"nearest neighbours rebuilt: {_seconds(server.vectors.rebuild):.1f} s")
    copying.finish(server)
    server.checkpoint()
    for name, store in (("sqlite", sqlite), ("server", server)):
        _nearest(name, store, queries, photos)
        terms = store.words.terms(["a red dog on the beach"])
        best = partial(store.words.best, terms, 200, 5000)
        print(f"{name}: words {_best_of(best) * 1000:.1f} ms")
        with store.writing():
            for content in range(1, 2001):
                store.work.queue(content, STAGES)
        began = time.perf_counter()
        claimed = sum(len(store.work.claim(STAGES, 64, NOW)) for _ in range(30))
        print(f"{name}: {claimed / (time.perf_counter() - began):.0f} photos claimed a second, 64 at a time")
        store.work.release()
        postgresql_saving.saving(name, store)


def _nearest(name: str, store: Store, queries: np.ndarray, photos: int) -> None:
    space = store.vectors.active_space()
    assert space is not None
    rng = np.random.default_rng(9)
    for share in SHARES:
        among = None
        if share < 1:
            among = np.sort(rng.choice(np.arange(1, photos + 1), int(photos * share), replace=False)).astype(
                np.int64
            )
        times, kept, wanted = [], 0, 0
        for query in queries:
            began = time.perf_counter()
            found = store.nearest.search(space, query, 80, among)
            times.append(time.perf_counter() - began)
            exact = set(store.nearest.scan(space, query, 20, among).tolist())
            kept, wanted = kept + len(exact & set(found.tolist())), wanted + len(exact)
        print(
            f"{name}: nearest among {share:.0%}: p50 {np.median(times) * 1000:.1f} ms,"
            f" recall@20 {kept / wanted:.3f} of 80 candidates"
        )


def _seconds(job: Callable[[], object]) -> float:
    began = time.perf_counter()
    job()
    return time.perf_counter() - began


def _best_of(job: Callable[[], object], times: int = 20) -> float:
    return min(_seconds(job) for _ in range(times))


if __name__ == "__main__":
    raise SystemExit(main())
