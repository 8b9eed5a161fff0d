"""The seam to the photos: what the screens may ask, whoever answers (the daemon, or this process)."""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct

from imgret.photo import Hit


class Found(Struct, frozen=True):
    """The answer to a question: the hits, best first, and what should be said about them."""

    hits: tuple[Hit, ...]
    remark: str = ""


class Details(Struct, frozen=True):
    """What is known of a photo beyond its hit."""

    state: str = "described"
    reason: str | None = None
    awaits_caption: bool = False
    size: int | None = None  # bytes
    camera: str | None = None
    latitude: float | None = None
    longitude: float | None = None
    hash: bytes | None = None  # the BLAKE3 of its bytes


class Folder(Struct, frozen=True):
    """A folder of the index."""

    path: bytes
    online: bool
    watched: bool
    reason: str | None = None  # why it is offline
    scanned_at: int | None = None  # seconds since 1970
    away: tuple[tuple[bytes, str], ...] = ()  # disks mounted below it that are away: the path, and why


class Failure(Struct, frozen=True):
    """A photo that could not be described, and why."""

    path: bytes
    reason: str
    attempts: int


class State(Struct, frozen=True):
    """How things stand: the numbers of `imgret status`, and what the daemon does now."""

    photos: int = 0
    pending: int = 0
    failed: int = 0
    offline: int = 0
    daemon: str = ""  # one sentence; empty when there is none


class Library(Protocol):
    """Everything blocks, so everything is called on a thread of its own. Any call may raise ImgretError."""

    @property
    def searches_here(self) -> bool:
        """Whether `search` takes this process's time, which `words` needs too."""
        ...

    def words(self, question: str, limit: int) -> Found:
        """The hits by words alone: in milliseconds."""
        ...

    def search(self, question: str, limit: int) -> Found:
        """The hits by meaning and words."""
        ...

    def like(self, path: bytes, limit: int) -> Found:
        """The photos that look like the one at `path`, that one left out."""
        ...

    def details(self, path: bytes) -> Details:
        """What else is known of a photo."""
        ...

    def note(self, path: bytes, text: str, seen: bytes | None = None) -> None:
        """Save the user's own words about a photo; an empty text removes them.

        `seen` is the hash of the photo that they are about: another one at its path does not get them.
        """
        ...

    def state(self) -> State:
        """How things stand now."""
        ...

    def folders(self) -> tuple[Folder, ...]:
        """The folders of the index."""
        ...

    def failures(self) -> tuple[Failure, ...]:
        """The photos that could not be described."""
        ...

    def retry(self) -> int:
        """Try all failures again; how many there are."""
        ...

    def close(self) -> None:
        """Let go of files, sockets and models."""
        ...
