"""What the library holds as a whole."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Protocol

from imgret.store.clauses import OBJECT

if TYPE_CHECKING:
    from imgret.store.records import (
        Progress,
        Totals,
    )


class Facets(Protocol):
    """What the library has, for completion and suggestions: tags, cameras, formats, dates."""

    def kinds(self) -> list[str]:
        """The kinds of tags that there are, in order. Fast: never reads all rows."""
        ...

    def labels(self, kind: str = OBJECT) -> list[str]:
        """The labels of the tags of a kind, in order. Fast: never reads all rows."""
        ...

    def most_counted(self, meant: list[str]) -> int:
        """The most that one stage counted of these labels of objects together in one photo; 0 for none."""
        ...

    def cameras(self, count: int) -> list[str]:
        """The cameras that took most photos, at most `count` of them."""
        ...

    def formats(self) -> list[str]:
        """The formats of the photos, the commonest first."""
        ...

    def dates(self) -> tuple[int, int] | None:
        """The first and the last time at which photos were taken, seconds since 1970; None when none is known."""
        ...

    def payloads(self, stage: str) -> list[tuple[str, int]]:
        """The different payloads of a stage, as JSON, and how many contents have each; those without a photo are left out."""
        ...

    def commonest(self, kind: str, count: int) -> list[str]:
        """The labels of a kind that most photos have, at most `count` of them."""
        ...

    def photos_by_year(self) -> list[tuple[int, int]]:
        """The years in which photos were taken, ascending, and how many contents each has; as for the next two, living ones."""
        ...

    def photos_by_camera(self, count: int) -> list[tuple[str, int]]:
        """The `count` cameras with most contents, those first, and how many; equal ones by name."""
        ...

    def photos_by_label(self, kind: str, count: int) -> list[tuple[str, int]]:
        """The `count` labels of a kind that most contents have, those first, and how many; equal ones by name."""
        ...


class Summary(Protocol):
    """Figures for `imgret status`."""

    def totals(self, waiting: Collection[str] = ()) -> Totals:
        """The figures. A stage in `waiting` has no weights yet: what waits for it alone is not pending."""
        ...

    def progress(self) -> Progress:
        """How far the stages are. Fast: the figures are kept, not counted."""
        ...

    def pending_below(self, folders: Collection[bytes], waiting: Collection[str] = ()) -> set[int]:
        """The contents below these absolute folders that are still to be described now.

        Those that failed, those whose disk is away, and what waits for a stage in `waiting` are not.
        """
        ...

    def waiting_stages(self) -> frozenset[str]:
        """The stages whose weights were missing when the index was last worked on."""
        ...

    def photos_under(self, root: int) -> int:
        """How many living photos a root holds."""
        ...
