"""`imgret`: the common question to a warm daemon first, everything else through Typer."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line and exit with its code.

    `imgret query ...` is tried over the socket before anything heavier than `json` and `socket` is
    imported; Typer, the models and the index come only when that is not the answer.
    """
    if sys.argv[1:2] == ["query"]:
        from imgret.cli.quick import answered

        code = answered(sys.argv[2:])
        if code is not None:
            sys.exit(code)
    from imgret.cli.app import run

    sys.exit(run())


if __name__ == "__main__":
    main()
