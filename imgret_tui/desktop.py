"""Opens files and folders with the programs of the desktop."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading

from imgret.errors import UsageError


def open_path(path: bytes) -> None:
    """Open a file or folder in the desktop's program for it, without waiting for that program.

    `path` is absolute. Raises UsageError if there is no command to open it with.
    """
    opener = shutil.which("xdg-open") or shutil.which("open")
    if opener is None:
        raise UsageError("there is no xdg-open to open it with", "Install xdg-utils.")
    # The path is absolute, so it cannot be taken for an option.
    process = subprocess.Popen(
        [os.fsencode(opener), path],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # it survives the picker and gets no signals of its terminal
    )
    threading.Thread(target=process.wait, daemon=True, name="opener").start()
