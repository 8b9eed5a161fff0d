"""An unchanged library reconciled with its index: `python -m benchmarks.reconcile --files 200000 --folders 10000`.

The whole way of the daemon's full scan, through `imgret.sync` and SQLite: list, stat, compare. The library is
taken in first, which is what a first `imgret index` does before any model. rclip's check of the same kind,
measured on such a machine, does 50,000 files in 3.7 s.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time

from benchmarks.rescan import make_tree
from imgret.config import load
from imgret.sync import add_root, sync
from testbed.home import Home

RCLIP_FILES_A_SECOND = 50_000 / 3.7


def measured(files: int, folders: int, runs: int) -> tuple[float, list[float], float]:
    """-> seconds of the first pass, of each unchanged one, and of one folder alone."""
    with Home() as home:
        photos = os.fsencode(home.photos)
        make_tree(photos, files, folders)
        time.sleep(2.5)  # younger files are looked at again, which is not what is measured
        settings = load(home.places.config)
        with home.index() as store:
            root, _ = add_root(store, photos)
            begin = time.perf_counter()
            taken = sync(store, settings, root)
            first = time.perf_counter() - begin
            if (taken.seen, taken.new) != (files, files):
                raise RuntimeError(f"the first pass saw {taken}")
            unchanged = []
            for _ in range(runs):
                begin = time.perf_counter()
                found = sync(store, settings, root)
                unchanged.append(time.perf_counter() - begin)
                if (found.seen, found.new, found.moved, found.changed, found.gone) != (files, 0, 0, 0, 0):
                    raise RuntimeError(f"an unchanged library was found changed: {found}")
            begin = time.perf_counter()
            sync(store, settings, root, folders=[b"year-000/album-00000"], recursive=False)
            return first, unchanged, time.perf_counter() - begin


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=200_000)
    parser.add_argument("--folders", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    first, unchanged, one = measured(options.files, options.folders, options.runs)
    median = statistics.median(unchanged)
    rate = options.files / median
    print(
        f"{options.files} files in {options.folders} folders: taken in {first:.1f} s, reconciled unchanged in"
        f" {median:.2f} s (best {min(unchanged):.2f}), {rate:.0f} files a second,"
        f" {rate / RCLIP_FILES_A_SECOND:.1f} x rclip; one folder in {one * 1000:.1f} ms"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
