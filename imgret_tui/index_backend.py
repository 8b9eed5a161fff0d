"""The search backend over one index file on this machine.

Everything but a search by meaning is read from the SQLite file, which any number of processes may read while
the daemon writes. A search by meaning goes to the daemon, which has the embedding model in memory; where no
daemon runs, or when it ends meanwhile, the same search runs in this process.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection
from itertools import islice
from typing import TYPE_CHECKING, Any

from imgret import inputs
from imgret.cli.quick_query import folder
from imgret.client.running import daemon_status, request_if_running
from imgret.config import Places, Settings
from imgret.errors import DaemonError
from imgret.search_client import SearchClient
from imgret.stage_progress import stage_text
from imgret_tui.hit_decoder import decode_hits
from imgret_tui.search_backend import (
    MOST_FAILED,
    DuplicateGroups,
    Facet,
    FailedPhoto,
    IndexStatus,
    PhotoDetails,
    SearchResults,
    WatchedFolder,
)

if TYPE_CHECKING:
    from imgret.own_tags import OwnTags
    from imgret.search.service import SearchOutput

STATUS_SECONDS = 2.0  # a daemon reports its state at once, whatever it works on
RETRY_DAEMON_SECONDS = 10.0  # until a daemon that was missed is looked for again


class IndexBackend:
    """A `SearchBackend`. It opens the index, the socket and the models when they are first needed."""

    def __init__(self, settings: Settings, places: Places) -> None:
        self._settings = settings
        self._places = places
        self._folder = folder()
        self._warnings: list[str] = []
        self._client = SearchClient(
            settings, places, warn=self._warnings.append, retry_seconds=RETRY_DAEMON_SECONDS
        )

    @property
    def is_local(self) -> bool:
        """See `SearchBackend`."""
        return self._client.is_local

    def search_words(self, query: str, limit: int) -> SearchResults:
        """See `SearchBackend`. Always runs in this process."""
        return self._results(self._client.search_locally(self._request(query, limit, rank="words")))

    def search(self, query: str, limit: int) -> SearchResults:
        """See `SearchBackend`."""
        request = self._request(query, limit)
        return self._results(self._client.search(request), total=self._client.passing(request))

    def search_similar(self, path: bytes, limit: int) -> SearchResults:
        """See `SearchBackend`. Uses the vector that the photo has in the index."""
        found = self._client.search(self._request("", limit, rank="vector", like=os.fsdecode(path)))
        name = os.fsdecode(os.path.basename(path))
        return self._results(found, f"like {name}")

    def details(self, path: bytes) -> PhotoDetails:
        """See `SearchBackend`."""
        from imgret.photo_state import photo_state

        store = self._client.store
        known = photo_state(store, self._settings, path)
        facts, photo = known.facts, known.photo
        content = photo.content if photo else None
        return PhotoDetails(
            state=known.state,
            reason=known.reason,
            awaits_caption="caption" in known.due and self._settings.wants("caption"),
            size=photo.file_stat.size if photo else None,
            camera=facts.camera if facts else None,
            latitude=facts.latitude if facts else None,
            longitude=facts.longitude if facts else None,
            content_hash=store.contents.hash_of(content) if content else None,
        )

    def save_note(self, path: bytes, text: str, content_hash: bytes | None = None) -> None:
        """See `SearchBackend`. The note is found by its words at once, and by its meaning once it is embedded."""
        from imgret.note_writing import write_note_at

        write_note_at(self._client.store, self._settings, path, inputs.clean_note(text) or None, content_hash)
        self._wake_daemon()

    def own_tags(self, path: bytes) -> OwnTags:
        """See `SearchBackend`."""
        from imgret.own_tags import own_tags
        from imgret.photo_state import noted_content

        return own_tags(self._client.store, noted_content(self._client.store, path))

    def change_keywords(
        self, path: bytes, add: Collection[str], drop: Collection[str], content_hash: bytes | None
    ) -> dict[str, Any] | None:
        """See `SearchBackend`."""
        from imgret.own_tags import change_keywords, shown_metadata
        from imgret.photo_state import noted_content

        content = noted_content(self._client.store, path, content_hash)
        change_keywords(self._client.store, content, add, drop)
        return shown_metadata(self._client.store, content)

    def rate(self, path: bytes, stars: int, content_hash: bytes | None) -> dict[str, Any] | None:
        """See `SearchBackend`."""
        from imgret.own_tags import rate, shown_metadata
        from imgret.photo_state import noted_content

        content = noted_content(self._client.store, path, content_hash)
        rate(self._client.store, content, stars)
        return shown_metadata(self._client.store, content)

    def status(self) -> IndexStatus:
        """See `SearchBackend`."""
        daemon = daemon_status(self._places.socket, self._places.index, STATUS_SECONDS)
        store = self._client.found_store
        if store is None:
            return IndexStatus(daemon=_daemon_text(daemon))
        summary = store.summary
        counts = summary.totals(summary.waiting_stages())
        return IndexStatus(
            photos=counts.photos,
            pending=counts.pending,
            failed=counts.failed,
            offline=counts.offline,
            daemon=_daemon_text(daemon),
            roots=tuple(root.path for root in store.roots.all()),
        )

    def folders(self) -> tuple[WatchedFolder, ...]:
        """See `SearchBackend`."""
        from imgret.store.paths import join

        roots = self._client.store.roots
        return tuple(
            WatchedFolder(
                root.path,
                root.online,
                root.watched,
                root.reason,
                root.scanned_at,
                tuple(
                    (join(root.path, mount.folder, b"")[:-1], mount.reason)
                    for mount in roots.mounts(root.id)
                    if mount.reason is not None
                ),
            )
            for root in roots.all()
        )

    def failed_photos(self) -> tuple[FailedPhoto, ...]:
        """See `SearchBackend`."""
        from imgret.photo_state import retry_text

        return tuple(
            FailedPhoto(failure.path, failure.error, retry_text(failure.attempts, failure.not_before))
            for failure in self._client.store.failures.all(MOST_FAILED)
        )

    def duplicates(self, limit: int) -> DuplicateGroups:
        """See `SearchBackend`."""
        from imgret.search.duplicates import Library
        from imgret_tui.duplicate_hits import group_hits

        store = self._client.found_store
        if store is None:
            return DuplicateGroups(())
        found = tuple(map(group_hits, islice(Library(store).groups(), limit + 1)))
        return DuplicateGroups(found[:limit], len(found) > limit)

    def facets(self, query: str) -> tuple[Facet, ...]:
        """See `SearchBackend`."""
        from imgret_tui.facet_counts import MOST_HITS, facets_of

        return facets_of(self.search(query, MOST_HITS).hits)

    def retry_failed(self) -> int:
        """See `SearchBackend`."""
        count = self._client.store.failures.retry()
        self._wake_daemon()
        return count

    def close(self) -> None:
        """See `SearchBackend`."""
        self._client.close()

    def _request(self, query: str, limit: int, **more: Any) -> dict[str, Any]:
        """The fields of an `imgret.search.request.SearchRequest`."""
        return {"text": query, "k": limit, "format": "json", "folder": self._folder, **more}

    def _results(self, found: SearchOutput, *notices: str, total: int | None = None) -> SearchResults:
        texts = (*notices, *self._warnings, *found.notes)
        self._warnings.clear()
        return SearchResults(decode_hits(found.output), texts, total)

    def _wake_daemon(self) -> None:
        """Let the daemon process what was queued. It is queued in any case, so a daemon that fails is no error."""
        with contextlib.suppress(DaemonError):
            request_if_running(self._places.socket, self._places.index, "retry", {}, STATUS_SECONDS)


def _daemon_text(status: dict[str, Any] | None) -> str:
    """What the daemon does, for the status line."""
    if status is None:
        return ""
    if status.get("problem"):
        return str(status["problem"])
    if status.get("stages"):
        return stage_text(status["stages"], most=1)
    if status.get("total"):
        return f"describing {status.get('done', 0)} of {status['total']}"
    return f"daemon {status.get('state', 'runs')}"
