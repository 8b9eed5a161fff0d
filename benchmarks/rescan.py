"""Speed of scanning an unchanged library: `python -m benchmarks.rescan --files 50000 --folders 2500`.

Creates a tree of tiny files in a temporary folder and an index of it, then scans it repeatedly; no scan may find a
change. Prints the median files per second of the warm runs, with the index and of the scan alone (with the known files
in memory). With --sidecars each photo has a sidecar, which is not counted as a file. With --sidecars-too it prints only the CPU
time of scans with and without sidecars, by turns. With --cold (root only, Linux) also once after dropping the kernel's caches. With --rclip (`pip install
rclip`) also of rclip's own check of the same files, and the ratio.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import io
import os
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping

from imgret.config import Settings
from imgret.exclude import Exclude
from imgret.photo import FileStat
from imgret.scan import scan
from imgret.store.factory import open_store
from imgret.sync import sync

RCLIP_VECTOR = 512 * 4  # bytes: CLIP ViT-B/32 in float32


def make_tree(root: bytes, files: int, folders: int, *, sidecars: bool = False) -> None:
    """Create `files` tiny files in `folders` folders, two levels deep, with an mtime one hour ago.

    With `sidecars`, each has a `.xmp` beside it.
    """
    per_folder, more = divmod(files, folders)
    old = time.time() - 3600
    for number in range(folders):
        folder = os.path.join(root, b"year-%03d" % (number // 50), b"album-%05d" % number)
        os.makedirs(folder)
        for photo in range(per_folder + (number < more)):
            path = os.path.join(folder, b"IMG_%05d.JPG" % photo)
            for each in (path, path + b".xmp") if sidecars else (path,):
                with open(each, "wb") as file:
                    file.write(b"%d/%d" % (number, photo))
                os.utime(each, (old, old))


def timed(reconcile: Callable[[], tuple[int, int]], files: int) -> float:
    """Return the seconds of one scan. `reconcile` returns the number of files found and of changed files."""
    begin = time.perf_counter()
    seen, differing = reconcile()
    seconds = time.perf_counter() - begin
    if seen != files or differing:
        raise SystemExit(
            f"wrong result: the scan found {seen} of {files} files and {differing} changes, although nothing changed"
        )
    return seconds


@contextlib.contextmanager
def rclips_check(base: str, root: bytes) -> Iterator[Callable[[], tuple[int, int]]]:
    """Yield a function that runs rclip's check of the same files. All are in its index, so it needs no model."""
    from rclip import db, main  # type: ignore[import-not-found]

    file = os.path.join(base, "rclip.db")
    database = db.DB(file)
    for folder, _, names in os.walk(os.fsdecode(root)):
        for name in names:
            path = os.path.join(folder, name)
            status = os.stat(path)
            database.upsert_image(
                {
                    "filepath": path,
                    "modified_at": status.st_mtime,
                    "size": status.st_size,
                    "vector": bytes(RCLIP_VECTOR),
                    "hash": "0" * 32,
                },
                commit=False,
            )
    database.commit()
    theirs = main.RClip(None, database, indexing_batch_size=8, exclude_dirs=None)

    def check() -> tuple[int, int]:
        with contextlib.redirect_stderr(io.StringIO()):  # its progress bar
            theirs.ensure_index(os.fsdecode(root))
        (alive,) = counting.execute("SELECT count(*) FROM images WHERE deleted IS NULL").fetchone()
        return alive, 0  # changed files would need the model, which is not loaded

    try:
        with contextlib.closing(sqlite3.connect(file)) as counting:
            yield check
    finally:
        database.close()


def drop_caches() -> bool:
    """Drop the kernel's caches of file metadata. Return whether that was permitted (root only)."""
    try:
        os.sync()
        with open("/proc/sys/vm/drop_caches", "w") as file:
            file.write("3")
    except OSError:
        return False
    return True


def measure(base: str, options: argparse.Namespace) -> None:
    """Create the library below `base`, index it, and print the times of its scans."""
    root = os.fsencode(os.path.join(base, "photos"))
    make_tree(root, options.files, options.folders, sidecars=options.sidecars)
    time.sleep(2.1)  # until all files are older than 2 s
    settings, rules = Settings(exclude=tuple(options.exclude)), Exclude(options.exclude)
    with open_store(os.path.join(base, "index.db")) as store:
        place = store.roots.add(root)
        begin = time.perf_counter()
        sync(store, settings, place)
        place = store.roots.add(root)  # read it again: now its file system is known
        print(f"first scan, every file hashed: {time.perf_counter() - begin:.1f} s")
        folders = store.photos.known_folders(place.id)
        known = {
            folder: store.photos.known(place.id, folder) | store.sidecars.known(place.id, folder)
            for folder in folders
        }
        nothing: Mapping[bytes, FileStat] = {}

        def with_index() -> tuple[int, int]:
            found = sync(store, settings, place)
            changes = found.new + found.moved + found.changed + found.gone + found.unreadable
            return found.seen, changes + found.described

        def scan_alone() -> tuple[int, int]:
            looks = scan(root, lambda folder: known.get(folder, nothing), rules, known_folders=folders)
            counts = [(look.photos, len(look.findings) + len(look.sidecars)) for look in looks]
            return sum(seen for seen, _ in counts), sum(found for _, found in counts)

        def median(reconcile: Callable[[], tuple[int, int]]) -> float:
            return statistics.median(timed(reconcile, options.files) for _ in range(options.runs))

        report("with the index", ours := median(with_index), options)
        report("scan alone", median(scan_alone), options)
        if options.rclip:
            with rclips_check(base, root) as check:
                report("rclip's check", theirs := median(check), options)
            print(f"imgret with its index is {theirs / ours:.1f} times as fast as rclip")
        if options.cold:
            if drop_caches():
                report("with the index, cold", timed(with_index, options.files), options)
            else:
                print("cold: not measured, only root may drop the kernel's caches")


def measure_sidecars(base: str, options: argparse.Namespace) -> None:
    """Print what sidecars cost: scans of two libraries by turns, one of which has a sidecar for each photo."""
    with contextlib.ExitStack() as stack:
        scans = []
        for sidecars in (False, True):
            root = os.fsencode(os.path.join(base, f"photos-{sidecars}"))
            make_tree(root, options.files, options.folders, sidecars=sidecars)
            time.sleep(2.1)
            store = stack.enter_context(open_store(os.path.join(base, f"index-{sidecars}.db")))
            place = store.roots.add(root)
            settings = Settings(exclude=tuple(options.exclude))
            sync(store, settings, place)
            scans.append((store, settings, store.roots.add(root)))
        taken: list[list[float]] = [[], []]
        for run in range(options.runs + 1):
            for (store, settings, place), times in zip(scans, taken, strict=True):
                begin = time.process_time()
                found = sync(store, settings, place)
                if found.seen != options.files or found.changed + found.new + found.described:
                    raise SystemExit("wrong result: the scan found changes, although nothing changed")
                if run:  # the first one warms up
                    times.append(time.process_time() - begin)
    without, with_ = taken
    ratios = [two / one for one, two in zip(without, with_, strict=True)]
    print(f"{options.files} files, {options.folders} folders, CPU seconds: {statistics.median(without):.2f}")
    print(f"the same with a sidecar for each: {statistics.median(with_):.2f}")
    print(f"ratio: {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")


def report(name: str, seconds: float, options: argparse.Namespace) -> None:
    """Print one line of the table."""
    rate = options.files / seconds
    print(
        f"{name:<22}{options.files} files, {options.folders} folders  {seconds:6.3f} s  {rate:9,.0f} files/s"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--files", type=int, default=50_000)
    parser.add_argument("--folders", type=int, default=2_500)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--exclude", action="append", default=[], help="a gitignore pattern, repeatable")
    parser.add_argument("--sidecars", action="store_true", help="a `.xmp` beside each file")
    parser.add_argument(
        "--sidecars-too", action="store_true", help="CPU time with and without sidecars, by turns"
    )
    parser.add_argument("--cold", action="store_true", help="also once after dropping the caches")
    parser.add_argument("--rclip", action="store_true", help="also rclip's check, in the same run")
    parser.add_argument("--folder", help="create the tree in this folder instead of the temporary folder")
    options = parser.parse_args()
    if options.rclip and importlib.util.find_spec("rclip") is None:
        parser.error("--rclip: rclip is not installed here; `pip install rclip`")
    with tempfile.TemporaryDirectory(prefix="imgret-rescan-", dir=options.folder) as base:
        (measure_sidecars if options.sidecars_too else measure)(base, options)


if __name__ == "__main__":
    main()
