"""The library as it is on this machine: the index read here, meaning asked of the daemon where there is one.

Words, details and figures come straight from the SQLite file, which any number of readers may read while
the daemon writes. Only the embedding of a question is the daemon's to do, because it keeps the model
warm; when there is none, or when it dies in the middle, the same search runs in this process.
"""

from __future__ import annotations

import os
import time
from typing import Any

from imgret.cli.quick_query import folder
from imgret.client.protocol import OTHER_INDEX, Refused
from imgret.client.socket_client import Connection, NoDaemon
from imgret.config import Places, Settings
from imgret.errors import DaemonError
from imgret.store import paths
from imgret.store.factory import open_store
from imgret_tui.hits import read_hits
from imgret_tui.library import Details, Failure, Folder, Found, State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from imgret.search.service import Answerer
    from imgret.store.interface import Store

QUICK = 2.0  # seconds: a daemon asked for its state answers at once, whatever it works on
RETRY_DAEMON = 10.0  # seconds until a daemon that was not there is looked for again


class IndexLibrary:
    """A `Library` over one index file. Belongs to one thread; cheap until it is asked something."""

    def __init__(self, settings: Settings, places: Places) -> None:
        self._settings = settings
        self._places = places
        self._folder = folder()
        self._store: Store | None = None
        self._answerer: Answerer | None = None
        self._daemon: Connection | None = None
        self._no_daemon_until = 0.0

    @property
    def searches_here(self) -> bool:
        """No daemon was there a moment ago."""
        return time.monotonic() < self._no_daemon_until

    def words(self, question: str, limit: int) -> Found:
        """By words alone, in this process."""
        request = {"text": question, "k": limit, "rank": "words", "format": "json", "folder": self._folder}
        return self._here(request, remarks=False)

    def search(self, question: str, limit: int) -> Found:
        """By meaning: the daemon's answer, or this process's."""
        return self._anywhere({"text": question, "k": limit, "format": "json", "folder": self._folder})

    def like(self, path: bytes, limit: int) -> Found:
        """By the vector that the photo has."""
        found = self._anywhere({"like": os.fsdecode(path), "k": limit, "rank": "vector", "format": "json"})
        name = os.fsdecode(os.path.basename(path))
        return Found(found.hits, ". ".join(filter(None, (f"like {name}", found.remark))))

    def details(self, path: bytes) -> Details:
        """From the index, and the file's size from the disk where it is there."""
        from imgret.photo_state import photo_state

        store = self._open()
        known = photo_state(store, self._settings, path)
        facts = known.facts
        return Details(
            state=known.state,
            reason=known.reason,
            awaits_caption="caption" in known.to_come,
            size=known.photo.file_stat.size if known.photo else None,
            camera=facts.camera if facts else None,
            latitude=facts.latitude if facts else None,
            longitude=facts.longitude if facts else None,
            hash=store.contents.hash_of(known.photo.content) if known.photo and known.photo.content else None,
        )

    def note(self, path: bytes, text: str, seen: bytes | None = None) -> None:
        """Found as words at once, and by its meaning when its vectors are made again."""
        from imgret.photo_state import noted_content
        from imgret.requeue import read_notes

        told = {"path": os.fsdecode(path), "note": text or None, "hash": seen.hex() if seen else None}
        if self._told("note", told):
            return
        store = self._open()
        content = noted_content(store, path, seen)
        with store.writing(durable=True):
            for changed in store.results.write_note(content, text or None):
                store.work.queue(changed, read_notes(self._settings))

    def state(self) -> State:
        """The figures of `imgret status`, and one sentence about the daemon."""

        if not os.path.exists(self._places.index):
            return State(daemon=_sentence(self._daemon_state()))
        store = self._open()
        figures = store.summary.totals(store.summary.waiting_stages())
        return State(
            photos=figures.photos,
            pending=figures.pending,
            failed=figures.failed,
            offline=figures.offline,
            daemon=_sentence(self._daemon_state()),
        )

    def folders(self) -> tuple[Folder, ...]:
        """The roots of the index, and the disks below them that are away."""

        store = self._open()
        return tuple(
            Folder(
                root.path,
                root.online,
                root.watched,
                root.reason,
                root.scanned_at,
                tuple(
                    (paths.join(root.path, mount.folder, b"")[:-1], mount.reason)
                    for mount in store.roots.mounts(root.id)
                    if mount.reason is not None
                ),
            )
            for root in store.roots.all()
        )

    def failures(self) -> tuple[Failure, ...]:
        """What failed, by path."""

        return tuple(
            Failure(failure.path, failure.error, failure.attempts) for failure in self._open().failures.all()
        )

    def retry(self) -> int:
        """Queue the failures again, and wake the daemon."""

        count = self._open().failures.retry()
        self._told("retry", {})
        return count

    def close(self) -> None:
        """Close the index and the socket."""
        if self._daemon is not None:
            self._daemon.close()
        if self._store is not None:
            self._store.close()

    def _open(self) -> Store:

        if self._store is None:
            self._store = open_store(self._places.index, create=False)
        return self._store

    def _anywhere(self, request: dict[str, Any]) -> Found:
        try:
            notes, _, lines = self._connected().query({**request, "index": self._places.index})
        except NoDaemon:
            self._lose_daemon()
            return self._here(request)
        except Refused as error:
            if error.code != OTHER_INDEX:
                raise
            self._lose_daemon()
            return self._here(request)
        return Found(read_hits(lines), ". ".join(notes))

    def _here(self, request: dict[str, Any], *, remarks: bool = True) -> Found:
        from imgret.search.request import read_request
        from imgret.search.service import Answerer

        if self._answerer is None:
            self._answerer = Answerer(self._open(), self._settings, self._places)
        answer = self._answerer.answer(read_request(request))
        return Found(read_hits(answer.output), ". ".join(answer.notes) if remarks else "")

    def _connected(self) -> Connection:
        """The connection to the daemon, kept open from question to question. NoDaemon where there is none."""
        if self._daemon is None:
            if time.monotonic() < self._no_daemon_until:
                raise NoDaemon("no daemon a moment ago")
            self._daemon = Connection(self._places.socket)
        return self._daemon

    def _lose_daemon(self) -> None:
        self._no_daemon_until = time.monotonic() + RETRY_DAEMON
        if self._daemon is not None:
            self._daemon.close()
            self._daemon = None

    def _daemon_state(self) -> dict[str, Any] | None:
        """What the daemon of this index says of itself; None where there is none."""
        try:
            with Connection(self._places.socket, QUICK) as daemon:
                state = daemon.ask("status", {})
        except NoDaemon:
            return None
        except DaemonError as error:
            return {"problem": str(error)}
        return state if isinstance(state, dict) and state.get("index") == self._places.index else None

    def _told(self, method: str, params: dict[str, Any]) -> bool:
        """Tell the daemon of this index; False where there is none."""
        if self._daemon_state() is None:
            return False
        with Connection(self._places.socket) as daemon:
            daemon.ask(method, params)
        return True


def _sentence(state: dict[str, Any] | None) -> str:
    """What the daemon does, for the status line."""
    if state is None:
        return ""
    if state.get("problem"):
        return str(state["problem"])
    if state.get("total"):
        return f"describing {state.get('done', 0)} of {state['total']}"
    return f"daemon {state.get('state', 'runs')}"
