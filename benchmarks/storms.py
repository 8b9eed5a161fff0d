"""Compare the index with the disk after many changes: `python -m benchmarks.storms --files 20000 --folders 2000`.

Each run starts a real imgretd for a folder, changes the folder with a real program (tar, unzip, rsync, git, mv, rm), and
compares every path and hash in the index with the disk. Conditions: nothing else running; the daemon stopped by SIGSTOP
during the storm, so that the kernel's event queue overflows; two processes that use all CPU time. Prints the duration of
each storm and the time after its end until the index was exact. Fails if an index was not exact.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

from testbed.file_storms import CONDITIONS, STORMS, Source, run


def main() -> int:
    """Run them and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--folders", type=int, help="a tenth of the files by default")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--storms", nargs="+", choices=STORMS, default=list(STORMS))
    parser.add_argument("--conditions", nargs="+", choices=CONDITIONS, default=list(CONDITIONS))
    options = parser.parse_args()
    exact = runs = 0
    with tempfile.TemporaryDirectory(prefix="storms-") as folder:
        folders = options.folders or max(1, options.files // 10)
        source = Source(Path(folder), options.files, folders)
        print(f"{options.files} files in {folders} folders, {os.cpu_count()} processors")
        for seed in range(options.seeds):
            for storm in options.storms:
                for condition in options.conditions:
                    took, converged, wrong = run(source, storm, condition, seed)
                    runs += 1
                    exact += not wrong
                    verdict = "exact" if not wrong else f"{len(wrong)} wrong, such as {wrong[0]}"
                    print(
                        f"{storm:9s} {condition:8s} {took:6.1f} s  converged after {converged:5.1f} s  {verdict}",
                        flush=True,
                    )
    print(f"{exact} of {runs} exact")
    return 0 if exact == runs else 1


if __name__ == "__main__":
    sys.exit(main())
