"""Write the traceback of an unexpected error to a file, for a bug report."""

from __future__ import annotations

import os
import platform
import sys
import traceback

from imgret import __version__
from imgret.cli.quick_places import state_folder


def report(error: BaseException) -> str | None:
    """Write the traceback of `error` to a file that replaces an earlier one.

    Return its path, or None if it cannot be written. Only the user can read the file (mode 0600). It contains the
    name of the command, but not its arguments, which may be private.
    """
    path = os.path.join(state_folder(), "crash.txt")
    part = f"{path}.{os.getpid()}"
    try:
        trace = "".join(traceback.format_exception(error))
        command = " ".join(map(os.path.basename, sys.argv[:1])) + " " + "".join(sys.argv[1:2])
        text = f"imgret {__version__}, Python {platform.python_version()}, {platform.platform()}\n{command}\n\n{trace}"
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        descriptor = os.open(
            part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600
        )
        with open(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
        os.replace(part, path)
    except Exception:  # for example a full disk: the message on stderr has to suffice
        return None
    return path
