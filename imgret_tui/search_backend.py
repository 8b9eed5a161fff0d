"""What the screens can request about photos, and the data that they get.

`SearchBackend` is the interface between the screens and the index; `index_backend` implements it.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any, Protocol

from msgspec import Struct

from imgret.photo import Hit

if TYPE_CHECKING:
    from imgret.own_tags import OwnTags


MOST_FAILED = 1_000  # failed photos that are listed


class SearchResults(Struct, frozen=True):
    """The hits of one query, best first, and sentences about them."""

    hits: tuple[Hit, ...]
    notices: tuple[str, ...] = ()
    total: int | None = None  # how many photos pass the filters of the query; None if it is not known


class PhotoDetails(Struct, frozen=True):
    """What is known of a photo beyond its hit."""

    state: str = "described"  # a state of `imgret.photo_state`
    reason: str | None = None  # why the state is not "described", and what to do
    awaits_caption: bool = False
    size: int | None = None  # bytes
    camera: str | None = None
    latitude: float | None = None  # degrees, north positive
    longitude: float | None = None  # degrees, east positive
    content_hash: bytes | None = None  # the BLAKE3 of the file


class WatchedFolder(Struct, frozen=True):
    """A folder of the index."""

    path: bytes
    online: bool
    watched: bool  # by the daemon; False: indexed once
    reason: str | None = None  # why it is offline
    scanned_at: int | None = None  # seconds since 1970
    unmounted: tuple[tuple[bytes, str], ...] = ()  # disks below it that are not mounted: (path, reason)


class FailedPhoto(Struct, frozen=True):
    """A photo that could not be described."""

    path: bytes
    reason: str
    again: str  # when it is tried again, as in `imgret show`


class DuplicateGroup(Struct, frozen=True):
    """Copies of one picture, the best first. `why` of each has its size."""

    kind: str  # one of `imgret.search.duplicates`
    hits: tuple[Hit, ...]
    is_one_content: bool = False  # the files are equal byte for byte


class DuplicateGroups(Struct, frozen=True):
    """The near-duplicates of the index."""

    groups: tuple[DuplicateGroup, ...]
    has_more: bool = False  # there are more groups than these


class Facet(Struct, frozen=True):
    """Something that several photos have, and the filter that finds them."""

    kind: str
    label: str
    count: int  # photos
    filter: str  # to add to the query


class IndexStatus(Struct, frozen=True):
    """The counts of `imgret status`, and what the daemon does."""

    photos: int = 0
    pending: int = 0  # not described yet
    failed: int = 0
    offline: int = 0
    daemon: str = ""  # a short sentence; empty if no daemon runs
    roots: tuple[bytes, ...] = ()  # the paths of the folders of the index


class SearchBackend(Protocol):
    """Each instance belongs to one thread. Every call may block, and may raise ImgretError."""

    @property
    def is_local(self) -> bool:
        """Whether `search` runs in this process, where it competes with `search_words` for the processor."""
        ...

    def search_words(self, query: str, limit: int) -> SearchResults:
        """At most `limit` hits by words alone. Takes milliseconds."""
        ...

    def search(self, query: str, limit: int) -> SearchResults:
        """At most `limit` hits by meaning and words."""
        ...

    def search_similar(self, path: bytes, limit: int) -> SearchResults:
        """At most `limit` photos that look like the one at `path`, without that photo."""
        ...

    def details(self, path: bytes) -> PhotoDetails:
        """What is known of the photo at `path`."""
        ...

    def save_note(self, path: bytes, text: str, content_hash: bytes | None = None) -> None:
        """Save the user's note about a photo; an empty text deletes it.

        `content_hash` is that of the photo that the user saw. If another photo has its path by now, that one
        does not get the note, and UsageError is raised.
        """
        ...

    def own_tags(self, path: bytes) -> OwnTags:
        """The keywords and the rating of the photo at `path`: the user's own, and those of the file."""
        ...

    def change_keywords(
        self, path: bytes, add: Collection[str], drop: Collection[str], content_hash: bytes | None
    ) -> dict[str, Any] | None:
        """Add and drop the user's own keywords. `content_hash`: as in `save_note`. -> the photo's metadata as in its hit."""
        ...

    def rate(self, path: bytes, stars: int, content_hash: bytes | None) -> dict[str, Any] | None:
        """Give the photo 1 to 5 stars, or take the user's rating back with 0. Else as `change_keywords`."""
        ...

    def status(self) -> IndexStatus:
        """The current status of the index and the daemon."""
        ...

    def folders(self) -> tuple[WatchedFolder, ...]:
        """The folders of the index."""
        ...

    def failed_photos(self) -> tuple[FailedPhoto, ...]:
        """The photos that could not be described, by path; at most MOST_FAILED."""
        ...

    def duplicates(self, limit: int) -> DuplicateGroups:
        """At most `limit` groups of near-duplicates. Takes minutes for a million photos."""
        ...

    def facets(self, query: str) -> tuple[Facet, ...]:
        """What the photos of a query have in common, by kind, the commonest first."""
        ...

    def retry_failed(self) -> int:
        """Queue all failed photos again. -> how many there are."""
        ...

    def close(self) -> None:
        """Close files and sockets, and release models."""
        ...
