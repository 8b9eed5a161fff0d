"""The programs of the desktop that we start: detached, and told nothing but a path."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading

from imgret.errors import UsageError


def open_path(path: bytes) -> None:
    """Open a file or folder in the program the desktop has for it, without waiting for it."""
    opener = shutil.which("xdg-open") or shutil.which("open")
    if opener is None:
        raise UsageError("there is no xdg-open to open it with", "Install xdg-utils.")
    # The path is absolute, so it can never be read as an option.
    process = subprocess.Popen(
        [os.fsencode(opener), path],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # it outlives us, and our terminal's signals are not for it
    )
    threading.Thread(target=process.wait, daemon=True, name="opener").start()
