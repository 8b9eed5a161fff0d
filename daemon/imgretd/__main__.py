"""`imgretd`, and `python -m imgretd`."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run the daemon and exit with its code."""
    from imgretd.main import main as run

    code = run()
    sys.stdout.flush()
    sys.stderr.flush()
    # Taking a process with models apart takes torch a second or more, of the five in which we leave, and
    # gives back nothing that the system does not. All is saved and closed by now.
    os._exit(code)


if __name__ == "__main__":
    main()
