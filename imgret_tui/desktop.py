"""Opens files and folders with the programs of the desktop, and runs commands of the user.

All functions raise UsageError if the program cannot be started.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shlex
import shutil
import subprocess
import threading
from collections.abc import Iterator, Sequence

from imgret.errors import UsageError


def open_path(path: bytes) -> None:
    """Open a file or folder in the desktop's program for it, without waiting for that program.

    `path` is absolute.
    """
    opener = shutil.which("xdg-open") or shutil.which("open")
    if opener is None:
        raise UsageError("there is no xdg-open to open it with", "Install xdg-utils.")
    # The path is absolute, so it cannot be taken for an option.
    _start([os.fsencode(opener), path])


@contextlib.contextmanager
def _start_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno == errno.E2BIG:
            raise UsageError("the paths are too long for one command", "Mark fewer photos.") from None
        raise UsageError(f"the command cannot be started: {error.strerror}") from None


def _start(arguments: Sequence[bytes]) -> None:
    with _start_errors():
        process = subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # it survives the picker and gets no signals of its terminal
        )
    threading.Thread(target=process.wait, daemon=True, name="opener").start()


def filled_in(command: str, current: bytes, marked: Sequence[bytes]) -> bytes:
    """A shell command with quoted paths: the current photo for `{}`, the marked ones for `{+}`."""
    one, all_of_them = _quoted(current), b" ".join(map(_quoted, marked))
    parts = (part.replace(b"{}", one) for part in os.fsencode(command).split(b"{+}"))
    return all_of_them.join(parts)


def _quoted(path: bytes) -> bytes:
    return os.fsencode(shlex.quote(os.fsdecode(path)))


def run_in_terminal(command: bytes) -> None:
    """Run a shell command on descriptors 0 to 2, which are the terminal, and wait for it."""
    with _start_errors(), contextlib.suppress(KeyboardInterrupt):
        subprocess.run([b"/bin/sh", b"-c", command], check=False)


def run_silently(command: bytes) -> None:
    """Run a shell command without the terminal, and do not wait for it."""
    _start([b"/bin/sh", b"-c", command])
