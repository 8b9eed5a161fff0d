"""`imgretd`, and `python -m imgretd`."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the daemon and exit with its code."""
    from imgretd.main import main as run

    sys.exit(run())


if __name__ == "__main__":
    main()
