"""`make bench`: run every benchmark once, at a size for a laptop. `--help` of each lists options for larger sizes.

python -m benchmarks            all of them, one after the other
python -m benchmarks cli rescan only these
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence

SECONDS = 600  # time limit of one benchmark
QUICK: Mapping[str, Sequence[str]] = {
    "cli": ("--runs", "7", "--photos", "100"),
    "rescan": ("--files", "50000", "--folders", "2500", "--runs", "3"),
    "reconcile": ("--files", "20000", "--folders", "1000", "--runs", "3"),
    "search": ("--photos", "10000", "--queries", "20"),
    "two_spaces": ("--photos", "10000", "--queries", "20"),
    "latency": ("--runs", "15", "--photos", "200"),
    "bursts": ("--clients", "20", "--queries", "5", "--photos", "200"),
    "beside_describing": ("--photos", "150", "--seconds", "5"),
    "landing": ("--photos", "20"),
    "first_useful": ("--photos", "100", "--faster", "10"),
    "idle": ("--seconds", "10", "--photos", "200"),
    "tui": ("--photos", "5000"),
    "storms": ("--files", "500", "--seeds", "1", "--conditions", "alone"),
    "describe": ("--quick", "--models", "tiny"),
    "gpu_index": ("--models", "tiny", "--photos", "60", "--seconds", "200"),
    "decoding": ("--photos", "2", "--rounds", "2", "--megapixels", "0.3", "12"),
    "quality": (),
    "ocr": ("--quick",),
    "geocoding": (),
    "copies": ("--photos", "20000"),
    "image_speed": ("--photos", "16", "--megapixels", "0.3", "--rounds", "1"),
    "first_query": (),
    "eval_table": ("--photos", "200"),
    "postgresql": (),
    "footprint": (),
}


def main() -> int:
    """Run the benchmarks. Return 0 if all of them succeeded."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(QUICK))
    wanted = parser.parse_args().names or list(QUICK)
    for name in wanted:
        if name not in QUICK:
            parser.error(f"there is no benchmark {name}: {', '.join(QUICK)}")
    failed = [name for name in wanted if not succeeded(name)]
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return bool(failed)


def succeeded(name: str) -> bool:
    """Run one benchmark, which prints its figures to stdout. Return whether it succeeded."""
    command = [sys.executable, "-m", f"benchmarks.{name}", *QUICK[name]]
    print(f"\n== {name}: python -m benchmarks.{' '.join([name, *QUICK[name]])}", flush=True)
    began = time.monotonic()
    try:
        code = subprocess.run(command, check=False, timeout=SECONDS).returncode
    except subprocess.TimeoutExpired:
        print(f"took longer than {SECONDS} s", file=sys.stderr)
        return False
    print(f"   ({time.monotonic() - began:.0f} s)", flush=True)
    return code == 0


if __name__ == "__main__":
    sys.exit(main())
