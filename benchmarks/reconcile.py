"""Full scan of an unchanged library: `python -m benchmarks.reconcile --files 200000 --folders 10000`.

Runs the daemon's full scan through `imgret.sync` and SQLite: list, stat, compare. Before that, the library is indexed
without models, as by a first `imgret index`. For comparison: rclip's check of 50,000 files took 3.7 s on a similar
machine.
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
    """Return the seconds of the first scan, of each scan of the unchanged library, and of a scan of one folder."""
    with Home() as home:
        photos = os.fsencode(home.photos)
        make_tree(photos, files, folders)
        time.sleep(2.5)  # files younger than 2 s are checked again, which is not measured here
        settings = load(home.places.config)
        with home.index() as store:
            root, _ = add_root(store, photos)
            begin = time.perf_counter()
            taken = sync(store, settings, root)
            first = time.perf_counter() - begin
            if (taken.seen, taken.new) != (files, files):
                raise RuntimeError(f"the first scan found {taken}")
            unchanged = []
            for _ in range(runs):
                begin = time.perf_counter()
                found = sync(store, settings, root)
                unchanged.append(time.perf_counter() - begin)
                if (found.seen, found.new, found.moved, found.changed, found.gone) != (files, 0, 0, 0, 0):
                    raise RuntimeError(f"the scan found changes in an unchanged library: {found}")
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
        f"{options.files} files in {options.folders} folders: indexed in {first:.1f} s, scanned unchanged in"
        f" {median:.2f} s (best {min(unchanged):.2f}), {rate:.0f} files a second,"
        f" {rate / RCLIP_FILES_A_SECOND:.1f} x rclip; one folder in {one * 1000:.1f} ms"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
