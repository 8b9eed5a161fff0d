"""Use the controlling terminal even if stdin, stdout or stderr are redirected.

`imgret-tui | xargs feh` must draw on the terminal and write its result to the pipe. So those of the descriptors 0 to 2
that are not terminals are replaced by `/dev/tty`, and restored at the end.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sys
from collections.abc import Iterator

from imgret.errors import UsageError


class NoTerminal(UsageError):
    """There is no terminal to draw on."""

    hint = "Run it in a terminal, or use `imgret query` in scripts."


@contextlib.contextmanager
def own_terminal() -> Iterator[int]:
    """Make descriptors 0 to 2 terminals within the block, and yield a descriptor of the controlling terminal.

    Raises NoTerminal if the process has none.
    """
    try:
        opened = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        raise NoTerminal("there is no terminal to draw on") from None
    # Use a descriptor above 2: if descriptor 0 is closed, os.open returned that number.
    terminal = fcntl.fcntl(opened, fcntl.F_DUPFD_CLOEXEC, 3)
    os.close(opened)
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    saved: list[tuple[int, int | None]] = []
    try:
        for descriptor in range(3):
            if not os.isatty(descriptor):
                saved.append((descriptor, _copy(descriptor)))
                os.dup2(terminal, descriptor)
        yield terminal
    finally:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                with contextlib.suppress(OSError):  # the terminal may have been closed
                    stream.flush()
        for descriptor, copy in saved:
            if copy is None:
                os.close(descriptor)
            else:
                os.dup2(copy, descriptor)
                os.close(copy)
        os.close(terminal)


def _copy(descriptor: int) -> int | None:
    try:
        return fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 3)
    except OSError:  # the parent process closed it
        return None
