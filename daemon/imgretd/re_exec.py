"""Restart the daemon in its own process, when the index that it has open is no longer the file at its path.

Connections are not closed before: closing one writes its changes into the file and removes the `-wal` and `-shm` beside
it, which may belong to the new index by then. Like a kill, this does not damage an index. The process id stays the same,
so systemd does not notice.
"""

from __future__ import annotations

import logging
import os
import socket
import sys
from typing import NoReturn

from imgretd.notify import hand_over


def restart(listener: socket.socket | None) -> NoReturn:
    """Execute the same command in this process; `listener` is the socket opened by systemd, if any."""
    if listener is not None:
        hand_over(listener)
    logging.shutdown()
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 - there is nothing for a shell to read
