"""`imgret`: a common search is sent to a running daemon first; everything else goes through Typer."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run the command line and exit with its code.

    `imgret query ...` is tried over the socket before anything heavier than `json` and `socket` is
    imported; Typer, the models and the index are imported only for other commands.
    """
    _fill_closed_streams()
    try:
        sys.exit(_QUICK.get(sys.argv[1] if len(sys.argv) > 1 else "", _run)())
    except KeyboardInterrupt:  # while modules are still being imported
        sys.exit(130)
    except Exception as error:  # an error of the search over the socket, which imports only what it needs
        from imgret.cli.boundary import report_error

        sys.exit(report_error(error))


def _fill_closed_streams() -> None:
    """A stream that was closed (`>&-`) leads nowhere; else the index would be opened under its number."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is this one
            setattr(sys, name, open(number, "w" if number else "r", closefd=False))  # noqa: SIM115


def _query() -> int:
    from imgret.cli.quick_query import run

    code = run(sys.argv[2:])
    return _run() if code is None else code


def _completed() -> int:
    from imgret.cli.complete_shell import main as complete

    return complete(sys.argv[2:])


def _shell() -> int:
    from imgret.cli.shell_script import SHELLS, script

    if len(sys.argv) != 3 or sys.argv[2] not in SHELLS:
        return _run()
    from imgret.cli import console

    console.out(script(sys.argv[2]).encode())
    console.flush()
    return 0


def _run() -> int:
    from imgret.cli.commands import run

    return run()


_QUICK = {"query": _query, "shell": _shell, "__complete": _completed}  # without the import of Typer


if __name__ == "__main__":
    main()
