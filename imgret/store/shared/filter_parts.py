"""What the filters of the engines share: which are about paths, how they are joined, and what they mean."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any

from imgret.store import labels, paths
from imgret.store.clauses import Clause, Inside, Named, Online
from imgret.store.fold import fold
from imgret.store.interface.files import Photos, Roots
from imgret.store.shared.facets import Facets

# What a photo can have: the contents that have it, or a condition on a row of `content`.
HAVING = {
    "note": "SELECT content FROM note",
    "caption": "SELECT content FROM stage_result WHERE stage = 'caption' AND payload <> '[]'",
    "objects": "SELECT content FROM tag WHERE kind = 'object'",
    "topics": "SELECT content FROM tag WHERE kind = 'topic'",
}
KNOWN = {"gps": "latitude IS NOT NULL", "date": "date IS NOT NULL"}


class FilterParts(ABC):
    """The base of the engines' filters."""

    def __init__(self, facets: Facets, photos: Photos, roots: Roots) -> None:
        self._facets = facets
        self._photos = photos
        self._roots = roots

    @abstractmethod
    def _condition(self, clause: Clause) -> tuple[str, list[Any]]:
        """The clause as a condition on a row of `content`, or on one of `photo` joined with `root`.

        If it is negated, words stand also for the labels that they mean: `-people` leaves out the label `person`.
        """

    def _all(self, clauses: Iterable[Clause]) -> tuple[str, list[Any]]:
        """All of these together as a condition."""
        made = [self._condition(clause) for clause in clauses]
        return " AND ".join(["true", *(sql for sql, _ in made)]), [
            each for _, values in made for each in values
        ]

    def _tags(self, kind: str, name: str) -> list[str]:
        """The labels of this kind that contain the name, or that it means."""
        there, text = self._facets.labels(kind), fold(name.replace("_", " "))
        meant = set(labels.matching_labels(name, there))
        return [label for label in there if label in meant or text in fold(label.replace("_", " "))]

    def _below(self, folder: bytes) -> list[tuple[int, bytes]]:
        """(root, folder in it; empty for all of it) of the roots that have living photos at or below this folder."""
        found = []
        for root in self._roots.all():
            part = b"" if paths.relative(folder, root.path) is not None else paths.relative(root.path, folder)
            if part is not None and self._photos.any_known(root.id, part):
                found.append((root.id, part))
        return found


def negated(sql: str) -> str:
    """Return the condition that is true where this one is false or NULL."""
    return f"NOT coalesce({sql}, false)"


def of_paths(clauses: Iterable[Clause]) -> list[Clause]:
    """Return the clauses that are about a path, not about its content."""
    return [clause for clause in clauses if isinstance(clause.filter, Inside | Named | Online)]
