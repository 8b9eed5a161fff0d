"""How fast an unchanged library is reconciled: `python -m benchmarks.rescan --files 50000 --folders 2500`.

Makes a tree of tiny files in a temporary folder, scans it once to know it, then scans it again: nothing
may have changed. Prints files per second, the median of the warm runs; with --cold (root only, Linux) also
once with the kernel's caches dropped. What is known is a dict in memory: the index's part comes on top.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Mapping

from imgret.exclude import Exclude
from imgret.scan import Change, Stamp, scan

Known = dict[bytes, dict[bytes, Stamp]]


def make_tree(root: bytes, files: int, folders: int) -> None:
    """`files` tiny files in `folders` folders, two levels deep, their times old enough to be believed."""
    per_folder, more = divmod(files, folders)
    old = time.time() - 3600
    for number in range(folders):
        folder = os.path.join(root, b"year-%03d" % (number // 50), b"album-%05d" % number)
        os.makedirs(folder)
        for photo in range(per_folder + (number < more)):
            path = os.path.join(folder, b"IMG_%05d.JPG" % photo)
            with open(path, "wb") as file:
                file.write(b"%d/%d" % (number, photo))
            os.utime(path, (old, old))


def learn(root: bytes, rules: Exclude) -> Known:
    """What a first scan finds, as the index would remember it."""
    nothing: dict[bytes, Stamp] = {}
    known: Known = {}
    for found in scan(root, lambda _: nothing, rules):
        stamps = known.setdefault(found.folder, {})
        for one in found.findings:
            if one.fingerprint:
                print_of = one.fingerprint
                stamps[one.name] = (print_of.size, print_of.mtime_ns, print_of.ctime_ns, print_of.inode)
    return known


def rescan(root: bytes, known: Known, rules: Exclude) -> tuple[float, int, int]:
    """Seconds, pictures seen, and how many of them were not as they were."""
    nothing: Mapping[bytes, Stamp] = {}
    begin = time.perf_counter()
    pictures = differing = 0
    for found in scan(root, lambda folder: known.get(folder, nothing), rules, known_folders=known.keys()):
        pictures += found.pictures
        differing += sum(one.change is not Change.SAME for one in found.findings)
    return time.perf_counter() - begin, pictures, differing


def drop_caches() -> bool:
    """Forget every file's metadata; only root may."""
    try:
        os.sync()
        with open("/proc/sys/vm/drop_caches", "w") as file:
            file.write("3")
    except OSError:
        return False
    return True


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--files", type=int, default=50_000)
    parser.add_argument("--folders", type=int, default=2_500)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--exclude", action="append", default=[], help="a gitignore pattern, repeatable")
    parser.add_argument("--cold", action="store_true", help="also once after dropping the caches")
    parser.add_argument("--folder", help="make the tree below this folder instead of the temporary one")
    options = parser.parse_args()
    rules = Exclude(options.exclude)
    with tempfile.TemporaryDirectory(prefix="imgret-rescan-", dir=options.folder) as temporary:
        root = os.fsencode(temporary)
        make_tree(root, options.files, options.folders)
        time.sleep(2.1)  # until no fingerprint is young any more
        known = learn(root, rules)
        runs = [rescan(root, known, rules) for _ in range(options.runs)]
        if any(differing or pictures != options.files for _, pictures, differing in runs):
            raise SystemExit("the scan is wrong: nothing was changed, yet it found changes")
        seconds = statistics.median(run[0] for run in runs)
        rate = options.files / seconds
        print(
            f"warm  {options.files} files in {options.folders} folders  {seconds:.3f} s  {rate:,.0f} files/s"
        )
        if options.cold:
            if drop_caches():
                seconds = rescan(root, known, rules)[0]
                print(f"cold  the same  {seconds:.3f} s  {options.files / seconds:,.0f}/s")
            else:
                print("cold  not measured: only root may drop the kernel's caches")


if __name__ == "__main__":
    main()
