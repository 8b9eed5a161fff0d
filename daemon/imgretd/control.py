"""One thread for the calls that may block: SQLite, folders, `realpath`. The event loop never makes them itself.

A disk that does not answer, or another process that holds the index, then delays only who waits for that
call, not `imgret status` and the questions.
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
    """Makes calls one after the other, in the order in which they were asked for."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._calls: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._since: float | None = None

    @property
    def busy_seconds(self) -> float:
        """How long the present call has taken so far; 0 when there is none."""
        since = self._since
        return 0.0 if since is None else time.monotonic() - since

    async def run(self, call: Callable[[], T], seconds: float | None = None) -> T:
        """What `call` returns or raises.

        Raises DaemonError when it has not ended after `seconds`; it goes on all the same.
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
            except Exception as raised:  # it is raised again where it is awaited
                error = raised
            except BaseException as panic:  # asyncio hands on no such error
                error = ImgretError(as_sentence(panic))
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(settle, result, error)

        if self._thread is None:  # a daemon thread: one that hangs must not keep the process
            thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            with limits_explained():
                thread.start()
            self._thread = thread
        self._calls.put(made)
        try:
            return await asyncio.wait_for(future, seconds)
        except TimeoutError:
            raise DaemonError(
                "a disk or the index has not answered in time; what was asked for follows when it does",
                "`imgret status` says what the daemon waits for.",
            ) from None

    def _run(self) -> None:
        while True:
            call = self._calls.get()
            self._since = time.monotonic()
            try:
                call()
            finally:
                self._since = None
