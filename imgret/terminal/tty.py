"""The terminal itself, whatever stdin, stdout and stderr were redirected to.

`imgret-tui | xargs feh` must draw on the terminal and answer into the pipe. So `/dev/tty` is put over
those of the descriptors 0 to 2 that are not terminals, and what was there comes back at the end.
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

    hint = "Run it in a terminal; for scripts there is `imgret query`."


@contextlib.contextmanager
def own_terminal() -> Iterator[int]:
    """Descriptors 0 to 2 are terminals inside; yields a descriptor of the controlling terminal.

    Raises NoTerminal where the process has none.
    """
    try:
        opened = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        raise NoTerminal("there is no terminal to draw on") from None
    # Above 2: were descriptor 0 closed, the terminal itself would have got that number.
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
                with contextlib.suppress(OSError):  # the terminal may be gone: a hang-up
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
    except OSError:  # it was closed by whoever started us
        return None
