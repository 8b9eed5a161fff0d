"""Run time of whole commands: `python -m benchmarks.cli`.

Measures `imgret --help`, `imgret status --json`, `imgret query --json` and shell completion without a daemon, and
`python -c pass`. They
run alternately, so that other load on the machine affects all of them equally. Prints the median wall time and CPU time
of each, and their ratio to `python -c pass`.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence

from testbed.home import WORDLLAMA, Home
from testbed.small_pngs import write_picture

PYTHON = "python -c pass"


def commands() -> dict[str, list[str]]:
    """Return the commands to measure by name."""
    imgret = [sys.executable, "-m", "imgret"]
    return {
        PYTHON: [sys.executable, "-c", "pass"],
        "imgret --help": [*imgret, "--help"],
        "imgret status --json": [*imgret, "status", "--json"],
        "imgret query --rank words --json": [*imgret, "query", "--rank", "words", "--json", "blue"],
        "imgret query --json (wordllama)": [*imgret, "query", "--json", "blue"],
        "completion of an option": [*imgret, "__complete", "zsh", "imgret", "query", "--so"],
        "completion of a value": [*imgret, "__complete", "zsh", "imgret", "query", "format:"],
    }


def once(command: Sequence[str], environ: Mapping[str, str]) -> tuple[float, float]:
    """Run a command once. Return (wall seconds, CPU seconds)."""
    before, began = os.times(), time.perf_counter()
    subprocess.run(command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    wall, after = time.perf_counter() - began, os.times()
    processor = after.children_user + after.children_system - before.children_user - before.children_system
    return wall, processor


def measured(runs: int, photos: int) -> dict[str, tuple[float, float]]:
    """Return the median (wall, CPU) seconds of each command over `runs` rounds, in a library of `photos` photos."""
    took: dict[str, list[tuple[float, float]]] = {name: [] for name in commands()}
    with Home(WORDLLAMA) as home:
        for number in range(photos):
            write_picture(home.photos / f"blue-{number}.png", number)
        indexed = home.imgret("index")
        if indexed.returncode:
            raise RuntimeError(indexed.stderr.decode())
        for turn in range(runs + 1):
            for name, command in commands().items():
                figures = once(command, home.environ)
                if turn:  # the first round warms the disk's cache
                    took[name].append(figures)
    return {
        name: (
            statistics.median(wall for wall, _ in figures),
            statistics.median(processor for _, processor in figures),
        )
        for name, figures in took.items()
    }


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--photos", type=int, default=200)
    options = parser.parse_args()
    found = measured(options.runs, options.photos)
    bare = found[PYTHON]
    print(f"median of {options.runs} processes, {options.photos} photos, in ms (ratio to {PYTHON!r}):")
    for name, (wall, processor) in found.items():
        print(
            f"  {name:<34} {wall * 1e3:7.0f} wall ({wall / bare[0]:4.1f}x)"
            f" {processor * 1e3:7.0f} CPU ({processor / bare[1]:4.1f}x)"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
