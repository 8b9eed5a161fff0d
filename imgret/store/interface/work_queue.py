"""What is still to do, and what failed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Protocol

from imgret.store.policy import BACKLOG

if TYPE_CHECKING:
    from imgret.photo import ModelIdentity, Photo
    from imgret.store.records import (
        Claim,
        Failure,
        Host,
        Position,
    )


class Work(Protocol):
    """The queue of stages to run, with claims, attempts and pauses.

    Work belongs to a request: BACKLOG, ARRIVED, or a number that `request` returned. Within a request the newest
    photos come first: by capture time, or until that is known by the time of the file; of equal times, the greater
    id. A time in the future counts as now.
    """

    def queue(self, content: int, stages: Collection[str], request: int = BACKLOG) -> None:
        """Queue these stages of a content. What waits already keeps its attempts; from the backlog, it moves ahead."""
        ...

    def queue_outdated(self, identities: Mapping[str, ModelIdentity], off: Collection[str]) -> int:
        """Queue what is missing or was made by another model than `identities` has; unqueue the stages `off`.

        Return how many results will be replaced. The old ones stay in use until then. In short transactions.
        """
        ...

    def request(self, folders: Collection[bytes], waiting: Collection[str] = ()) -> int:
        """Put what waits below these absolute folders in a request of its own, and return its number.

        What belongs to a request that is not larger stays there, because smaller ones come first. Failures, photos whose disk is
        away, and stages in `waiting` also stay where they are. In short transactions.
        """
        ...

    def left_of(self, request: int, waiting: Collection[str] = ()) -> int:
        """How many contents of a request are still to be described; failures, photos whose disk is away and stages in
        `waiting` do not count. Reads only the rows of the request."""
        ...

    def requested_below(self, folders: Collection[bytes], waiting: Collection[str] = ()) -> set[int]:
        """The contents below these absolute folders that are still to be described, and belong to a number that `request` returned.

        What `left_of` leaves out is left out here as well.
        """
        ...

    def requests_made(self) -> int:
        """How many requests have been made so far. It grows when the photos of a request have all been moved to it."""
        ...

    def request_of(self, contents: Collection[int]) -> dict[int, int]:
        """The request of each of these contents that is queued, also in flight; of several, the greatest."""
        ...

    def requests(self, stages: Collection[str], at_most: int, *, last: int | None = None) -> dict[int, int]:
        """The requests above BACKLOG -> how many contents wait for that one of `stages` for which most wait.

        Contents in flight and those above `last` do not count. Counts up to `at_most`, so it is fast.
        """
        ...

    def last(self) -> int:
        """The greatest id of a content that is queued; 0 if nothing is. Most contents that come later have a greater id."""
        ...

    def claim(
        self,
        stages: Collection[str],
        limit: int,
        now: int,
        *,
        request: int | None = None,
        after: Position | None = None,
        last: int | None = None,
    ) -> list[Claim]:
        """Claim up to `limit` contents with something due among `stages`, and what follows from that among them.

        Only those of `request`; None: of all, greater numbers first. With None and BACKLOG, failures whose pause is over
        come last. In the order of positions, after `after`; stages of one content can be at several positions, so a content
        that was released may come again. Contents that are in flight, suspects (see `claim_suspect`) and ids above `last` are left out.
        Takes the same time however long the queue is.
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
        """These stages failed for the same reason: they are tried again after growing pauses.

        A stage that was not claimed counts as tried once.
        """
        ...

    def release(self, contents: Iterable[int] | None = None) -> None:
        """Give back claims that were not worked on: the attempt does not count. None: all of them, suspects excepted.

        Where several hosts describe photos, only the claims of this one."""
        ...

    def recover(self) -> None:
        """What a dead process held is free again: as suspects, see `claim_suspect`. Call it once, when a writer starts.

        Where several hosts describe photos: what an earlier process of this host held, and others that were not seen for long.

        One that was alone each of the last times is set aside, with the reason.
        """
        ...

    def due(self, stages: Collection[str], now: int, *, at_most: int | None = None) -> int:
        """How many contents have something due among `stages`, those in flight and suspects included.

        Reads the whole queue, unless `at_most` limits the count.
        """
        ...

    def waiting(self) -> dict[str, int]:
        """Stage -> how many contents wait for it, failures that were set aside not counted."""
        ...

    def of(self, content: int) -> dict[str, tuple[int, int, str | None]]:
        """Stage -> (attempts, not before, error) of what is to do for a content."""
        ...


class Workers(Protocol):
    """The hosts that describe photos of one store. A store of one host has no entries and nothing to report."""

    def report(self, state: str, devices: str, rate: float) -> None:
        """Save a sign of life of this process: its state, its devices and its photos a second. It does not count as a change."""
        ...

    def all(self) -> list[Host]:
        """The hosts that were seen within the last month, by name."""
        ...

    def stages_elsewhere(self) -> set[str]:
        """The stages of the other hosts: what they make is kept though this host lacks the stage."""
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
        """Let failed photos be tried again at once, those set aside too; None: all of them. -> how many photos, copies included

        Their work becomes that of ARRIVED.
        """
        ...
