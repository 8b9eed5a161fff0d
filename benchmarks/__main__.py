"""`make bench`: every benchmark once, small enough for a laptop; each says with `--help` how to make it larger.

python -m benchmarks            all of them, one after the other
python -m benchmarks cli rescan only these
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence

SECONDS = 600  # for one of them
QUICK: Mapping[str, Sequence[str]] = {
    "cli": ("--runs", "7", "--photos", "100"),
    "rescan": ("--files", "50000", "--folders", "2500", "--runs", "3"),
    "reconcile": ("--files", "20000", "--folders", "1000", "--runs", "3"),
    "search": ("--photos", "10000", "--questions", "20"),
    "latency": ("--runs", "15", "--photos", "200"),
    "bursts": ("--clients", "20", "--questions", "5", "--photos", "200"),
    "landing": ("--photos", "20"),
    "idle": ("--seconds", "10", "--photos", "200"),
    "tui": ("--photos", "5000"),
    "storms": ("--files", "500", "--seeds", "1", "--conditions", "alone"),
    "describe": ("--quick", "--models", "tiny"),
    "quality": (),
}


def main() -> int:
    """Run them. -> 0 when each of them ended well."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(QUICK))
    wanted = parser.parse_args().names or list(QUICK)
    for name in wanted:
        if name not in QUICK:
            parser.error(f"there is no benchmark {name}: {', '.join(QUICK)}")
    failed = [name for name in wanted if not ended_well(name)]
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return bool(failed)


def ended_well(name: str) -> bool:
    """Run one, its figures straight to stdout."""
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
