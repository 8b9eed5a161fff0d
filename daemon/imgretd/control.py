"""A thread for calls that may block: SQLite, folders, `realpath`. The event loop never makes them itself.

A disk that does not respond, or another process that has locked the index, then delays only the caller, and neither
`imgret status` nor searches.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable
from queue import SimpleQueue
from typing import TypeVar

from imgret.errors import DaemonError, ImgretError
from imgret.limits import as_sentence, limits_explained

CONTROL_SECONDS = 30.0  # that a request waits for a disk or for the index

T = TypeVar("T")


class Control:
    """Runs calls one after the other on its thread, in the order of their submission."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._calls: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._since: float | None = None

    @property
    def busy_seconds(self) -> float:
        """Return how long the current call has been running; 0 if there is none."""
        since = self._since
        return 0.0 if since is None else time.monotonic() - since

    async def run(self, call: Callable[[], T], seconds: float | None = None) -> T:
        """Run `call` and return its value or raise its exception.

        Raises DaemonError if it has not ended after `seconds`; the call then continues in the background.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def settle(result: T | None, error: BaseException | None) -> None:
            if future.cancelled():
                return
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(result)  # type: ignore[arg-type]

        def made() -> None:
            result, error = None, None
            try:
                result = call()
            except Exception as raised:  # raised again where the call is awaited
                error = raised
            except BaseException as panic:  # asyncio does not pass on such an error
                error = ImgretError(as_sentence(panic))
            with contextlib.suppress(RuntimeError):  # the loop is closed, so nothing awaits the result
                loop.call_soon_threadsafe(settle, result, error)

        if self._thread is None:  # a daemon thread, so that a blocked call does not keep the process alive
            thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            with limits_explained():
                thread.start()
            self._thread = thread
        self._calls.put(made)
        try:
            return await asyncio.wait_for(future, seconds)
        except TimeoutError:
            raise DaemonError(
                "a disk or the index did not respond in time; the request is carried out when it does",
                "`imgret status` shows what the daemon waits for.",
            ) from None

    def _run(self) -> None:
        while True:
            call = self._calls.get()
            self._since = time.monotonic()
            try:
                call()
            finally:
                self._since = None
