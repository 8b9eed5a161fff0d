"""What may be asked over the socket: each method takes its params and gives a reply.

Questions are answered on a few threads of their own, each with its own connection to the index, so that they
neither wait for each other nor for the work.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from imgret.answer import Answerer, read_request
from imgret.config import Places, Settings
from imgret.errors import UsageError
from imgret.index import photos, results, work
from imgret.index.connection import Index
from imgret.link.messages import BAD_PARAMS, OTHER_INDEX, Refused
from imgret.photo import Stage
from imgretd.serve import Method, Reply
from imgretd.warm import Warm

if TYPE_CHECKING:
    from imgret.search.warm import Keeper

ANSWERING_THREADS = 4

T = TypeVar("T")


class Controls(Protocol):
    """What the methods may do to the daemon; called in its loop."""

    def state(self) -> dict[str, Any]:
        """What it does now."""
        ...

    async def look_at(self, paths: list[bytes]) -> None:
        """Scan these folders now, and describe what is new."""
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

    def __init__(self, index: Index, settings: Settings, places: Places, warm: Warm, keeper: Keeper) -> None:
        super().__init__(index, settings, places, warm, keeper)
        self.index = index
        self.settings = settings


class Answerers:
    """A few threads, each with a connection and an answerer of its own, made anew after a reload."""

    def __init__(self, settings: Settings, places: Places, warm: Warm) -> None:
        self._configured = settings, warm
        self._places = places
        self._threads = ThreadPoolExecutor(ANSWERING_THREADS, thread_name_prefix="answer")
        self._own = threading.local()
        self._keeper: Keeper | None = None
        self._keeper_lock = threading.Lock()

    def configure(self, settings: Settings, warm: Warm) -> None:
        """Answer with these from the next question on."""
        self._configured = settings, warm

    async def run(self, work_: Callable[[WarmAnswerer], T]) -> T:
        """Do this on one of the threads."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._answered, work_)

    def close(self) -> None:
        """Wait for the questions under way, and end."""
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _answered(self, work_: Callable[[WarmAnswerer], T]) -> T:
        answerer = self._answerer()
        try:
            return work_(answerer)
        finally:
            if not answerer.index.writable:  # a disk that was full or read-only may be so no more
                answerer.index.close()
                self._own.configured = None

    def _answerer(self) -> WarmAnswerer:
        configured = self._configured
        if getattr(self._own, "configured", None) is not configured:
            settings, warm = configured
            index = Index(self._places.index)
            before: WarmAnswerer | None = getattr(self._own, "answerer", None)
            self._own.answerer = WarmAnswerer(index, settings, self._places, warm, self._vectors())
            self._own.configured = configured
            if before is not None:
                before.index.close()
        answerer: WarmAnswerer = self._own.answerer
        return answerer

    def _vectors(self) -> Keeper:
        """The vectors in memory, one copy for all threads; numpy comes with the first question."""
        from imgret.search.warm import Keeper

        with self._keeper_lock:
            if self._keeper is None:
                self._keeper = Keeper(self._places.index)
            return self._keeper


def methods(controls: Controls, answerers: Answerers, places: Places) -> Mapping[str, Method]:
    """Name -> method, for `imgretd.serve.Server`."""

    async def query(params: dict[str, Any]) -> Reply:
        """`imgret.answer.Request`'s fields, and `index`: refused when it is not ours."""
        index = params.pop("index", places.index)
        if index != places.index:
            raise Refused(OTHER_INDEX, f"this daemon serves {places.index}")
        request = read_request(params)
        answered = await answerers.run(lambda answerer: answerer.answer(request))
        return Reply({"notes": answered.notes, "exit": int(answered.exit)}, answered.output)

    async def status(_params: dict[str, Any]) -> Reply:
        return Reply(controls.state())

    async def index(params: dict[str, Any]) -> Reply:
        """`paths`: absolute folders. Follow it with `subscribe`: `idle` comes when all is done."""
        paths = _strings(params, "paths")
        folders = [os.path.realpath(os.fsencode(path)) for path in paths if os.path.isabs(path)]
        if not folders or len(folders) < len(paths):
            raise Refused(BAD_PARAMS, "paths must be absolute", exit_code=2)
        for folder in folders:
            if not os.path.isdir(folder):
                raise UsageError(f"{os.fsdecode(folder)} is not a folder")
        await controls.look_at(folders)
        return Reply({"folders": len(folders)})

    async def note(params: dict[str, Any]) -> Reply:
        """`path`: absolute; `note`: the words, or null to take them back."""
        path, text = params.get("path"), params.get("note")
        if not isinstance(path, str) or not (text is None or isinstance(text, str)):
            raise Refused(BAD_PARAMS, "a note needs a path, and words or null", exit_code=2)

        def write(answerer: WarmAnswerer) -> None:
            photo = photos.find(answerer.index, os.fsencode(path))
            if photo is None or photo.content is None or photo.gone_at is not None:
                raise UsageError(f"{path} is not in the index", "`imgret show` says why.")
            with answerer.index.writing(durable=True):
                results.write_note(answerer.index, photo.content, text)
                if Stage.EMBED in answerer.settings.stages():
                    work.queue(answerer.index, photo.content, [Stage.EMBED])

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
