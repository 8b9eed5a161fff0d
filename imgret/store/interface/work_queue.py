"""What is still to do, and what failed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from imgret.photo import ModelIdentity, Photo
    from imgret.store.records import (
        Claim,
        Failure,
    )


class Work(Protocol):
    """The queue of stages to run, with claims, attempts and pauses."""

    def queue(self, content: int, stages: Collection[str]) -> None:
        """These stages of a content are to do. What waits already keeps its attempts."""
        ...

    def queue_outdated(self, identities: Mapping[str, ModelIdentity], off: Collection[str]) -> int:
        """Queue what is missing or was made by another model than `identities` has; unqueue the stages `off`.

        -> how many results are to be made. The old ones stay and answer until then.
        """
        ...

    def last(self) -> int:
        """The newest content that has anything to do; 0 where none has. Contents that come later have larger ids."""
        ...

    def claim(
        self, stages: Collection[str], limit: int, now: int, *, after: int = 0, last: int | None = None
    ) -> list[Claim]:
        """Up to `limit` contents, by id, above `after` and up to `last`, with something due among `stages` and what follows.

        Suspects are left out: see `claim_suspect`.
        """
        ...

    def claim_suspect(self, stages: Collection[str], now: int, tried: Iterable[int] = ()) -> Claim | None:
        """A content that was in flight when a process died, but none of `tried`; the least tried first, None: no more.

        To be called only while nothing is in flight, and nothing else is to be claimed until it is done or failed.
        """
        ...

    def done(self, content: int, stages: Iterable[str]) -> None:
        """Drop these stages of a content from the queue. Call it in the transaction that saves their results."""
        ...

    def failed(self, content: int, stages: Iterable[str], error: str, now: int) -> None:
        """These stages failed for the same reason: they are tried again after growing pauses."""
        ...

    def release(self, contents: Iterable[int] | None = None) -> None:
        """Give back claims that were not worked on: the attempt does not count. None: all of them, suspects excepted."""
        ...

    def recover(self) -> None:
        """What a dead process held is free again: as suspects, see `claim_suspect`.

        One that was alone each of the last times is set aside, and says why.
        """
        ...

    def due(self, stages: Collection[str], now: int) -> int:
        """How many contents have something due among `stages`, those in flight and suspects included."""
        ...

    def waiting(self) -> dict[str, int]:
        """Stage -> how many contents wait for it, failures that were set aside not counted."""
        ...

    def waiting_for(self, stage: str, at_most: int) -> int:
        """How many contents wait for a stage, counted no further than `at_most`: cheap for a question."""
        ...

    def of(self, content: int) -> dict[str, tuple[int, int, str | None]]:
        """Stage -> (attempts, not before, error) of what is to do for a content."""
        ...


class Failures(Protocol):
    """Photos that could not be read or described."""

    def all(self, limit: int = 1000) -> list[Failure]:
        """The photos that could not be read or described, by path, each once: with its stage that was tried most often."""
        ...

    def unreadable(self, photo: Photo) -> Failure | None:
        """Why a file could not be read when it was last looked at; None when it could."""
        ...

    def retry(self, only: Collection[Photo] | None = None) -> int:
        """Let failed photos be tried again at once, those set aside too; None: all of them. -> how many contents and files"""
        ...
