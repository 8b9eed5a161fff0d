"""What may be asked over the socket: each method takes its params and gives a reply.

Questions are answered on a few threads of their own, each with its own connection to the index, so that they
neither wait for each other nor for the work.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from imgret import inputs
from imgret.client.protocol import BAD_PARAMS, OTHER_INDEX, Refused
from imgret.config import Places, Settings
from imgret.errors import ImgretError
from imgret.limits import as_sentence, limits_explained
from imgret.note_writing import write_note_at
from imgret.search.request import read_request
from imgret.search.service import Answerer
from imgret.store.factory import open_store
from imgret.store.interface import Store
from imgretd.loaded_models import LoadedModels
from imgretd.serve import Method, Reply

if TYPE_CHECKING:
    from imgret.search.warm_index import Keeper

ANSWERING_THREADS = 4

T = TypeVar("T")


class Controls(Protocol):
    """What the methods may do to the daemon; called in its loop."""

    def state(self) -> dict[str, Any]:
        """What it does now."""
        ...

    async def resolve(self, paths: list[bytes]) -> list[bytes]:
        """The folders at these absolute paths, their links resolved. UsageError for what is no folder."""
        ...

    async def look_at(self, paths: list[bytes]) -> int:
        """Scan these folders now, and describe what is new. -> a number for `looked`."""
        ...

    def looked(self, job: int) -> dict[str, Any]:
        """How far `look_at` is, and why it may not go on."""
        ...

    def wake(self) -> None:
        """Something was queued."""
        ...

    async def pause(self, *, paused: bool) -> None:
        """Work no more for now, or go on; remembered over a restart."""
        ...

    async def reload(self) -> None:
        """Read the configuration again. ConfigError: the old one stays."""
        ...

    def leave(self) -> None:
        """End the daemon, after this answer."""
        ...


class WarmAnswerer(Answerer):
    """Answers with the daemon's warm models."""

    def __init__(
        self, store: Store, settings: Settings, places: Places, warm: LoadedModels, keeper: Keeper
    ) -> None:
        super().__init__(store, settings, places, warm, keeper)
        self.store = store
        self.settings = settings


class Answerers:
    """A few threads, each with a connection and an answerer of its own, made anew after a reload."""

    def __init__(self, settings: Settings, places: Places, warm: LoadedModels) -> None:
        self._configured = settings, warm
        self._places = places
        self._threads = ThreadPoolExecutor(ANSWERING_THREADS, thread_name_prefix="answer")
        self._own = threading.local()
        self._keeper: Keeper | None = None
        self._keeper_lock = threading.Lock()
        self._asked = 0  # how many calls are under way; belongs to the loop

    def configure(self, settings: Settings, warm: LoadedModels) -> None:
        """Answer with these from the next question on."""
        self._configured = settings, warm

    async def run(self, work_: Callable[[WarmAnswerer], T]) -> T:
        """Do this on one of the threads."""
        loop = asyncio.get_running_loop()
        self._asked += 1
        try:
            with limits_explained():
                return await loop.run_in_executor(self._threads, lambda: self._made(work_))
        finally:
            self._asked -= 1

    async def close(self, seconds: float) -> bool:
        """Wait up to `seconds` for the questions under way, and end. -> whether they have ended."""
        deadline = time.monotonic() + seconds
        while self._asked and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
        self._threads.shutdown(wait=not self._asked, cancel_futures=True)
        return not self._asked

    def _made(self, work_: Callable[[WarmAnswerer], T]) -> T:
        try:
            return self._answered(work_)
        except Exception:
            raise
        except BaseException as panic:  # asyncio hands on no such error
            raise ImgretError(as_sentence(panic)) from panic

    def _answered(self, work_: Callable[[WarmAnswerer], T]) -> T:
        answerer = self._answerer()
        try:
            return work_(answerer)
        finally:
            if not answerer.store.writable:  # a disk that was full or read-only may be so no more
                answerer.store.close()
                self._own.configured = None

    def _answerer(self) -> WarmAnswerer:
        configured = self._configured
        if getattr(self._own, "configured", None) is not configured:
            settings, warm = configured
            store = open_store(self._places.index)
            before: WarmAnswerer | None = getattr(self._own, "answerer", None)
            self._own.answerer = WarmAnswerer(store, settings, self._places, warm, self._vectors())
            self._own.configured = configured
            if before is not None:
                before.store.close()
        answerer: WarmAnswerer = self._own.answerer
        return answerer

    def _vectors(self) -> Keeper:
        """The vectors in memory, one copy for all threads; numpy comes with the first question."""
        from imgret.search.warm_index import Keeper

        with self._keeper_lock:
            if self._keeper is None:
                self._keeper = Keeper(self._places.index)
            return self._keeper


def methods(controls: Controls, answerers: Answerers, places: Places) -> Mapping[str, Method]:
    """Name -> method, for `imgretd.serve.Server`."""

    async def query(params: dict[str, Any]) -> Reply:
        """`imgret.search.service.Request`'s fields, and `index`: refused when it is not ours."""
        store = params.pop("index", places.index)
        if store != places.index:
            raise Refused(OTHER_INDEX, f"this daemon serves {places.index}")
        request = read_request(params)
        answered = await answerers.run(lambda answerer: answerer.answer(request))
        return Reply({"notes": answered.notes, "exit": int(answered.exit)}, answered.output)

    async def status(_params: dict[str, Any]) -> Reply:
        return Reply(controls.state())

    async def index(params: dict[str, Any]) -> Reply:
        """`paths`: absolute folders. The reply has a `job`; `looked` says how far that is."""
        paths = _strings(params, "paths")
        if not paths or not all(os.path.isabs(path) for path in paths):
            raise Refused(BAD_PARAMS, "paths must be absolute", exit_code=2)
        folders = await controls.resolve([inputs.path(path) for path in paths])
        return Reply({"folders": len(folders), "job": await controls.look_at(folders)})

    async def looked(params: dict[str, Any]) -> Reply:
        """`job`: of `index`. Whether its folders are still being looked at, and what was found wrong."""
        job = params.get("job")
        if not isinstance(job, int):
            raise Refused(BAD_PARAMS, "job must be the number that `index` gave", exit_code=2)
        return Reply(controls.looked(job))

    async def note(params: dict[str, Any]) -> Reply:
        """`path`: absolute; `note`: the words, or null to take them back; `hash`, if given: the BLAKE3 in hex
        of the photo that they are about, whatever lies at the path now."""
        path, text, hash_ = params.get("path"), params.get("note"), params.get("hash")
        if not isinstance(path, str) or not (text is None or isinstance(text, str)):
            raise Refused(BAD_PARAMS, "a note needs a path, and words or null", exit_code=2)
        try:
            seen = None if hash_ is None else bytes.fromhex(hash_)
        except (TypeError, ValueError):
            raise Refused(BAD_PARAMS, "hash must be hexadecimal digits", exit_code=2) from None

        words = text and inputs.note(text)

        def write(answerer: WarmAnswerer) -> None:
            write_note_at(answerer.store, answerer.settings, inputs.path(path), words, seen)

        await answerers.run(write)
        controls.wake()
        return Reply({})

    async def retry(_params: dict[str, Any]) -> Reply:
        """What was queued again is looked at now."""
        controls.wake()
        return Reply({})

    async def pause(_params: dict[str, Any]) -> Reply:
        await controls.pause(paused=True)
        return Reply(controls.state())

    async def resume(_params: dict[str, Any]) -> Reply:
        await controls.pause(paused=False)
        return Reply(controls.state())

    async def reload(_params: dict[str, Any]) -> Reply:
        await controls.reload()
        return Reply(controls.state())

    async def stop(_params: dict[str, Any]) -> Reply:
        controls.leave()
        return Reply({})

    return {
        "query": query,
        "status": status,
        "index": index,
        "looked": looked,
        "note": note,
        "retry": retry,
        "pause": pause,
        "resume": resume,
        "reload": reload,
        "stop": stop,
    }


def _strings(params: dict[str, Any], name: str) -> list[str]:
    given = params.get(name)
    if not isinstance(given, list) or not all(isinstance(each, str) for each in given):
        raise Refused(BAD_PARAMS, f"{name} must be a list of strings", exit_code=2)
    return given
