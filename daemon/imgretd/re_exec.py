"""Start this daemon anew in its own process, when the index that it has open is no longer the one at its path.

Nothing is closed in an orderly way: a connection that is closed writes its changes into the file and
removes the files beside it, which may be those of the new index by then. A kill does no harm to an index, and
neither does this. The process keeps its number, so a service manager sees no end.
"""

from __future__ import annotations

import logging
import os
import socket
import sys
from typing import NoReturn

from imgretd.notify import hand_over


def start_anew(listener: socket.socket | None) -> NoReturn:
    """Run the same command in this process; `listener` is the socket that a manager handed over, if one did."""
    if listener is not None:
        hand_over(listener)
    logging.shutdown()
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 - there is nothing for a shell to read
