"""Time until a new photo can be found: `python -m benchmarks.landing --photos 50`.

Writes a photo to a watched folder, closes it, and queries the daemon for its name until the described photo is found.
Prints the median and the maximum of the seconds since the close. Models are loaded before.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path

from imgret.client.socket_client import Connection
from testbed.home import WORDLLAMA, Daemon, Home, tiny_models


def drawn(folder: Path, count: int) -> list[Path]:
    """Draw images of 640 x 480 pixels outside the watched folder. Return their paths."""
    import random

    from imgret.demo.draw import render, single

    folder.mkdir()
    rng = random.Random(1)
    paths = [folder / f"drawing{number}.jpg" for number in range(count)]
    for path in paths:
        render(single(rng)).save(path, quality=90)
    return paths


def seconds_until_found(daemon: Daemon, source: Path, *, described: bool) -> float:
    """Write one photo. Return the seconds from its close until it is found; with a caption if `described`."""
    home = daemon.home
    data = source.read_bytes()
    with (home.photos / source.name).open("wb") as file:
        file.write(data)
    closed = time.perf_counter()
    with Connection(home.places.socket) as connection:
        while True:
            _, output = connection.request_bytes(
                "query", {"text": source.stem, "k": 1, "rank": "words", "format": "json"}
            )
            if output:
                hit = json.loads(output)
                done = hit["caption"] is not None if described else hit["width"] is not None
                if hit["path"].endswith(source.name) and done:
                    return time.perf_counter() - closed
            if time.perf_counter() - closed > 60:
                raise RuntimeError(f"{source.name} is not found: {daemon.log()}")
            time.sleep(0.01)


def measured(models: str, count: int, *, described: bool) -> list[float]:
    """Return the sorted seconds of `count` photos."""
    with Home(models) as home, home.daemon() as daemon:
        sources = drawn(home.path / "sources", count + 1)
        seconds_until_found(daemon, sources[0], described=described)  # loads the models
        found = []
        for source in sources[1:]:
            found.append(seconds_until_found(daemon, source, described=described))
            time.sleep(0.1)
        return sorted(found)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=int, default=50)
    parser.add_argument("--models", choices=("wordllama", "tiny"), default="tiny")
    parser.add_argument("--json", action="store_true", help="the seconds of each photo, sorted, as JSON")
    options = parser.parse_args()
    tiny = options.models == "tiny"
    seconds = measured(tiny_models() if tiny else WORDLLAMA, options.photos, described=tiny)
    if options.json:
        print(json.dumps(seconds))
        return 0
    print(
        f"{options.photos} photos, {options.models} models, {os.cpu_count()} CPUs: found"
        f" p50 {seconds[len(seconds) // 2]:.2f} s, maximum {seconds[-1]:.2f} s after the close"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
