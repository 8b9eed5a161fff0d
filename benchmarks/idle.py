"""Memory and CPU time of an idle daemon: `python -m benchmarks.idle --seconds 60`.

Watches a folder of images without models, waits until the daemon is idle, then measures its memory, including its
children's, and the CPU time of an idle minute.
"""

from __future__ import annotations

import argparse
import json
import sys
import time

from testbed.home import Home
from testbed.small_pngs import write_picture


def measured(seconds: float, photos: int) -> tuple[float, float, float]:
    """Return the MB of memory without photos, the MB with `photos` indexed photos, and the CPU seconds while idle."""
    with Home() as home, home.daemon() as daemon:
        daemon.wait_until_idle()
        empty = daemon.memory_bytes() / 1e6
        daemon.stop()
        for number in range(photos):
            (home.photos / str(number // 100)).mkdir(exist_ok=True)
            write_picture(home.photos / f"{number // 100}/{number}.png", number)
        daemon.start()
        while _described(home) < photos:  # otherwise the decoders start again after the restart
            time.sleep(0.1)
        daemon.wait_until_idle(600)
        daemon.stop()
        daemon.start()
        daemon.wait_until_idle()
        time.sleep(3)
        before = daemon.cpu_seconds()
        time.sleep(seconds)
        return empty, daemon.memory_bytes() / 1e6, daemon.cpu_seconds() - before


def _described(home: Home) -> int:
    with home.index() as store:
        row = store.row("SELECT count(*) FROM content WHERE format IS NOT NULL")
    return int(row[0]) if row else 0


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--photos", type=int, default=1000)
    parser.add_argument("--json", action="store_true", help="one JSON object")
    options = parser.parse_args()
    empty, watching, processor = measured(options.seconds, options.photos)
    if options.json:
        print(json.dumps({"empty_mb": empty, "watching_mb": watching, "processor_seconds": processor}))
        return 0
    print(
        f"memory {empty:.0f} MB without photos, {watching:.0f} MB with {options.photos} watched photos;"
        f" {processor:.2f} s of CPU time in {options.seconds:.0f} idle seconds"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
