"""A thread that notices when another process commits to the index on a server.

It wakes the describing thread of a daemon, and the status of a picker. Without it, work of others is noticed at the next look
at the index. Its failure therefore costs seconds, not work.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from imgret.errors import ImgretError
from imgret.store.factory import changes
from imgret.store.interface import Changes

WAIT_SECONDS = 5.0  # for a commit, until the thread looks whether it has to end
PAUSE_SECONDS = 0.5  # between two wakes: hosts that describe commit several times a second
AGAIN_SECONDS = 5.0  # after the connection was lost


class ChangeListener(threading.Thread):
    """Calls `wake` after commits of other processes. Ends by itself for an index that cannot be listened to."""

    def __init__(self, index: str, wake: Callable[[], object]) -> None:
        super().__init__(name="listen", daemon=True)
        self._index = index
        self._wake = wake
        self._stopping = threading.Event()

    def stop(self) -> None:
        """End within WAIT_SECONDS."""
        self._stopping.set()

    def run(self) -> None:
        """Listen until `stop`; the main function of the thread."""
        while not self._stopping.is_set():
            listening: Changes | None = None
            try:
                listening = changes(self._index)
                if listening is None:
                    return
                self._wake()  # what was committed before
                self._listen(listening)
            except ImgretError:  # others report that the server is away
                self._stopping.wait(AGAIN_SECONDS)
            finally:
                if listening is not None:
                    listening.close()

    def _listen(self, listening: Changes) -> None:
        while not self._stopping.is_set():
            if listening.wait(WAIT_SECONDS):
                self._wake()
                began = time.monotonic()
                while listening.wait(0) and time.monotonic() < began + PAUSE_SECONDS:
                    pass
                self._stopping.wait(PAUSE_SECONDS)
