"""The methods of the socket protocol: each takes the parameters of a request and returns a reply."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from imgret import inputs
from imgret.client.protocol import BAD_PARAMS, OTHER_INDEX, Refused
from imgret.config import Places
from imgret.note_writing import write_note_at
from imgret.search.known_values import known_values
from imgret.search.request import read_request
from imgretd.folder_requests import FolderRequests
from imgretd.operations import Operations
from imgretd.search_threads import DaemonSearchService, SearchThreads
from imgretd.serve import Method, Reply


def methods(
    operations: Operations, folders: FolderRequests, search_threads: SearchThreads, places: Places
) -> Mapping[str, Method]:
    """Name -> method, for `imgretd.serve.Server`."""

    async def query(params: dict[str, Any]) -> Reply:
        """The fields of `imgret.search.request.SearchRequest`, and `index`. A request for another index is refused."""
        store = params.pop("index", places.index)
        if store != places.index:
            raise Refused(OTHER_INDEX, f"this daemon serves {places.index}")
        request = read_request(params)
        found = await search_threads.run(lambda service: service.search(request))
        return Reply({"notes": found.notes, "exit": int(found.exit)}, found.output)

    async def values(params: dict[str, Any]) -> Reply:
        """Completion: values of filters of a `kind` with a `beginning`; `index` as for `query`."""
        kind, beginning = params.get("kind"), params.get("beginning", "")
        if params.get("index", places.index) != places.index:
            raise Refused(OTHER_INDEX, f"this daemon serves {places.index}")
        if not isinstance(kind, str) or not isinstance(beginning, str):
            raise Refused(BAD_PARAMS, "kind and beginning must be strings", exit_code=2)
        return Reply(
            await search_threads.run(lambda service: known_values(service.store.facets, kind, beginning))
        )

    async def status(_params: dict[str, Any]) -> Reply:
        return Reply(operations.state())

    async def index(params: dict[str, Any]) -> Reply:
        """`paths`: absolute folders. The reply has a `job`; `looked` returns its progress."""
        paths = _strings(params, "paths")
        if not paths or not all(os.path.isabs(path) for path in paths):
            raise Refused(BAD_PARAMS, "paths must be absolute", exit_code=2)
        resolved = await folders.resolve([inputs.path_bytes(path) for path in paths])
        return Reply({"folders": len(resolved), "job": await folders.start_scan(resolved)})

    async def looked(params: dict[str, Any]) -> Reply:
        """`job`: the number that `index` returned. Reports whether its folders are still scanned, and the problems found."""
        job = params.get("job")
        if not isinstance(job, int):
            raise Refused(BAD_PARAMS, "job must be the number that `index` returned", exit_code=2)
        return Reply(folders.scan_progress(job))

    async def note(params: dict[str, Any]) -> Reply:
        """`path`: absolute; `note`: the words, or null to take them back; `hash`, if given: the BLAKE3 in hex
        of the photo that they are about, whatever is at the path now."""
        path, text, hash_ = params.get("path"), params.get("note"), params.get("hash")
        if not isinstance(path, str) or not (text is None or isinstance(text, str)):
            raise Refused(BAD_PARAMS, "a note needs a path, and words or null", exit_code=2)
        try:
            seen = None if hash_ is None else bytes.fromhex(hash_)
        except (TypeError, ValueError):
            raise Refused(BAD_PARAMS, "hash must be hexadecimal digits", exit_code=2) from None

        words = text and inputs.clean_note(text)

        def write(service: DaemonSearchService) -> None:
            write_note_at(service.store, service.settings, inputs.path_bytes(path), words, seen)

        await search_threads.run(write)
        operations.wake()
        return Reply({})

    async def retry(_params: dict[str, Any]) -> Reply:
        """Check for work that was queued again."""
        operations.wake()
        return Reply({})

    async def pause(_params: dict[str, Any]) -> Reply:
        await operations.pause(paused=True)
        return Reply(operations.state())

    async def resume(_params: dict[str, Any]) -> Reply:
        await operations.pause(paused=False)
        return Reply(operations.state())

    async def reload(_params: dict[str, Any]) -> Reply:
        await operations.reload()
        return Reply(operations.state())

    async def stop(_params: dict[str, Any]) -> Reply:
        operations.leave()
        return Reply({})

    return {
        "query": query,
        "values": values,
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
