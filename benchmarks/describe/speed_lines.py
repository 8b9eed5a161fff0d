"""Lines about speeds, for people."""

from __future__ import annotations

import sys
from typing import Any


def line(speed: Any) -> str:
    """Return a measured speed, and the milliseconds of its stages."""
    stages = ", ".join(f"{name} {seconds * 1000:.0f}" for name, seconds in speed.stages.items())
    return (
        f"{speed.seconds * 1000:.0f} ms per photo ({1 / speed.seconds:.2f} per second, "
        f"{speed.cpu_seconds * 1000:.0f} ms of CPU time) over {speed.photos} photos; ms by stage: {stages}"
    )


def print_line(text: str) -> None:
    """Print at once, not on stdout, where JSON may be written."""
    print(text, file=sys.stderr, flush=True)
