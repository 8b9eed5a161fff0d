"""What nobody foresaw, kept for a report: the traceback goes to a file, never to the terminal."""

from __future__ import annotations

import os
import platform
import sys
import traceback

from imgret import __version__
from imgret.cli.quick_places import state_folder


def report(error: BaseException) -> str | None:
    """Write the traceback of `error` in place of an earlier one. -> the file, None where it cannot be written.

    The file is the user's alone (0600). It holds the name of the command, and not what was asked.
    """
    path = os.path.join(state_folder(), "crash.txt")
    part = f"{path}.{os.getpid()}"
    try:
        told = "".join(traceback.format_exception(error))
        command = " ".join(map(os.path.basename, sys.argv[:1])) + " " + "".join(sys.argv[1:2])
        text = f"imgret {__version__}, Python {platform.python_version()}, {platform.platform()}\n{command}\n\n{told}"
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        descriptor = os.open(
            part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600
        )
        with open(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
        os.replace(part, path)
    except Exception:  # a full disk, say: the sentence alone must do
        return None
    return path
