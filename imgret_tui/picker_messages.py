"""Messages to the app: threads post these and never touch a widget."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from textual.message import Message

from imgret.errors import ImgretError
from imgret.photo import Hit
from imgret_tui.search_backend import (
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


class ResultsReady(Message):
    """Results of a query: final ones, or first ones by words alone."""

    def __init__(self, number: int, results: SearchResults, *, final: bool) -> None:
        super().__init__()
        self.number = number  # of the query
        self.results = results
        self.final = final


class QueryFailed(Message):
    """A query is not valid, or could not be run."""

    def __init__(self, number: int, error: ImgretError) -> None:
        super().__init__()
        self.number = number  # of the query
        self.error = error


class JobFailed(Message):
    """Something other than a search failed."""

    def __init__(self, error: ImgretError) -> None:
        super().__init__()
        self.error = error


class ThreadCrashed(Message):
    """A thread ended with an unexpected error: the program cannot continue."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error


class IndexChanged(Message):
    """Another process committed to an index on a server."""


class StatusReady(Message):
    """The current status of the index and the daemon."""

    def __init__(self, status: IndexStatus) -> None:
        super().__init__()
        self.status = status


class DetailsReady(Message):
    """The details of the photo at a path."""

    def __init__(self, path: bytes, details: PhotoDetails) -> None:
        super().__init__()
        self.path = path
        self.details = details


class FoldersReady(Message):
    """The folders of the index and the failed photos."""

    def __init__(self, folders: tuple[WatchedFolder, ...], failed: tuple[FailedPhoto, ...]) -> None:
        super().__init__()
        self.folders = folders
        self.failed = failed


class DuplicatesReady(Message):
    """The near-duplicates of the index."""

    def __init__(self, found: DuplicateGroups) -> None:
        super().__init__()
        self.found = found


class FacetsReady(Message):
    """What the photos of a query have in common."""

    def __init__(self, query: str, facets: tuple[Facet, ...]) -> None:
        super().__init__()
        self.query = query
        self.facets = facets


class RetryQueued(Message):
    """The failed photos were queued again."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = count


class NoteSaved(Message):
    """The note of the photo at a path was saved; an empty text deleted it."""

    def __init__(self, path: bytes, text: str) -> None:
        super().__init__()
        self.path = path
        self.text = text


class OwnTagsReady(Message):
    """The keywords and the ratings of photos by path, for the dialog that was requested."""

    def __init__(self, photos: dict[bytes, OwnTags], *, rating: bool) -> None:
        super().__init__()
        self.photos = photos
        self.rating = rating  # that of the rating, not that of the keywords


class TagsSaved(Message):
    """The keywords or the ratings of photos were saved."""

    def __init__(self, metadata: dict[bytes, dict[str, Any] | None], text: str) -> None:
        super().__init__()
        self.metadata = metadata  # by path, as in the photo's hit
        self.text = text  # what was saved


class ImageLoaded(Message):
    """An image of the photo at a path was loaded, or the reason why it cannot be shown."""

    def __init__(self, path: bytes) -> None:
        super().__init__()
        self.path = path


class FileChanged(Message):
    """The file at a path changed since its image was loaded."""

    def __init__(self, path: bytes) -> None:
        super().__init__()
        self.path = path


class InputReady(Message):
    """The query input has the focus."""


class TerminalClosed(Message):
    """The terminal was closed."""


class PageSent(Message):
    """The thumbnails were sent as one sixel, before which the terminal forgets all others."""


class CursorMoved(Message):
    """The cursor is on another hit, or there is none."""

    def __init__(self, hit: Hit | None) -> None:
        super().__init__()
        self.hit = hit


class PhotosChosen(Message):
    """The user chose photos: the program ends and prints their paths."""

    def __init__(self, hits: tuple[Hit, ...]) -> None:
        super().__init__()
        self.hits = hits
