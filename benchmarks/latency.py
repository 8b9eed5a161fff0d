"""Run time of `imgret query --json` as a whole process: `python -m benchmarks.latency --runs 40`.

For comparison: `python -c pass`, the same query without a daemon, and the daemon's own latency over one open
connection, for a new query, which must be embedded, and for a repeated one.
"""

from __future__ import annotations

import argparse
import compileall
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import imgret
from imgret.client.socket_client import Connection
from testbed.home import WORDLLAMA, Home, tiny_models
from testbed.small_pngs import write_picture


def median_ms(runs: int, once: Callable[[int], None]) -> float:
    """Return the median of `runs` runs in milliseconds, after two warm-up runs."""
    seconds = []
    for number in range(-2, runs):
        begin = time.perf_counter()
        once(number)
        seconds.append(time.perf_counter() - begin)
    return statistics.median(seconds[2:]) * 1000


def measured(models: str, runs: int, photos: int) -> dict[str, float]:
    """Return the median milliseconds of each case."""
    compileall.compile_dir(os.path.dirname(imgret.__file__), quiet=2)  # as pip does when it installs
    command = str(Path(sys.executable).with_name("imgret"))
    with Home(models) as home:

        def process(*words: str) -> None:
            subprocess.run(
                words, env=home.environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True
            )

        for number in range(photos):
            write_picture(home.photos / f"picture{number}.png", number)
        found = {}
        with home.daemon() as daemon:
            daemon.wait_until_idle(600)
            found["python -c pass"] = median_ms(runs, lambda _: process(sys.executable, "-c", "pass"))
            found["imgret query --json, repeated query"] = median_ms(
                runs, lambda _: process(command, "query", "--json", "a red circle")
            )
            found["imgret query --json, new query"] = median_ms(
                runs, lambda number: process(command, "query", "--json", f"a red circle {number}")
            )
            with Connection(home.places.socket) as connection:

                def search(text: str) -> None:
                    connection.request_bytes("query", {"text": text, "format": "json"})

                found["the daemon alone, repeated query"] = median_ms(runs, lambda _: search("a blue square"))
                found["the daemon alone, new query"] = median_ms(
                    runs, lambda number: search(f"a blue square {number}")
                )
        found["imgret query --json, in process"] = median_ms(
            min(runs, 5), lambda _: process(command, "query", "--json", "a red circle")
        )
        return found


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=40)
    parser.add_argument("--photos", type=int, default=500)
    parser.add_argument("--models", choices=("wordllama", "tiny"), default="wordllama")
    options = parser.parse_args()
    models = WORDLLAMA if options.models == "wordllama" else tiny_models()
    found = measured(models, options.runs, options.photos)
    bare = found["python -c pass"]
    print(f"{options.photos} photos, {options.models} models, median of {options.runs} runs")
    for name, milliseconds in found.items():
        print(f"{name:42s} {milliseconds:8.1f} ms  {milliseconds / bare:6.1f} x python -c pass")
    return 0


if __name__ == "__main__":
    sys.exit(main())
