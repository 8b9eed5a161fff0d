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
    # Everything is saved and closed by now. A normal exit of a process with models takes torch a second or more, of
    # the five seconds in which the daemon has to stop, and frees nothing that the system does not free anyway.
    os._exit(code)


if __name__ == "__main__":
    main()
