"""Searches beside a daemon that describes photos: `python -m benchmarks.beside_describing --photos 600`.

One client asks a daemon with the tiny checkpoints, first while it describes new photos, then while it is idle. Prints the
milliseconds of a query and their ratio, and the photos described meanwhile. The models use all processors.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

from benchmarks.describe.measure import pictures
from imgret.client.socket_client import Connection
from testbed.home import Home, tiny_models

PAUSE = 0.05  # seconds between two queries: less than between two keys of a fast typist
WORDS = ("red circle", "blue square", "a green triangle", "white")


def asked(home: Home, go_on: Callable[[float], bool]) -> list[float]:
    """Ask while `go_on(seconds so far)`. Return the sorted milliseconds of each query."""
    times: list[float] = []
    began = time.perf_counter()
    with Connection(home.places.socket) as connection:
        while go_on(time.perf_counter() - began):
            at = time.perf_counter()
            text = f"{WORDS[len(times) % len(WORDS)]} {len(times)}"  # no query twice: the daemon remembers the last ones
            connection.request("query", {"text": text, "k": 20})
            times.append((time.perf_counter() - at) * 1e3)
            time.sleep(PAUSE)
    return sorted(times)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=int, default=600)
    parser.add_argument("--seconds", type=float, default=20.0, help="of each part, at most")
    options = parser.parse_args()
    with Home(tiny_models()) as home:
        home.environ.pop("OMP_NUM_THREADS")
        pictures(str(home.photos), options.photos)
        with home.daemon() as daemon:
            asked(home, lambda _seconds: daemon.request("status")["state"] != "describing")

            began, before = time.perf_counter(), described(home)
            busy = asked(home, lambda seconds: seconds < options.seconds)
            rate = (described(home) - before) / (time.perf_counter() - began)
            if daemon.request("status")["state"] == "idle":
                print("The daemon was idle at the end of the first part: take more --photos.")
            daemon.wait_until_idle()
            idle = asked(home, lambda seconds: seconds < options.seconds)
    print(f"described meanwhile   {rate:8.1f} photos/s")
    for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99)):
        beside, alone = (times[int(len(times) * share)] for times in (busy, idle))
        print(f"{name}   describing {beside:8.1f} ms   idle {alone:8.1f} ms   ratio {beside / alone:6.2f}")
    return 0


def described(home: Home) -> int:
    """Return how many photos have a caption."""
    with home.index() as store:
        progress = store.summary.progress()
        return progress.done("caption")


if __name__ == "__main__":
    raise SystemExit(main())
