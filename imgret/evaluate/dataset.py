"""A data set: photos, the questions people wrote for them, and everything that was wrong with its files.

Every question has one right photo. Nothing is left out in silence: whatever does not become a question
is a `Problem` that says where it stands and how many questions it cost.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace


class Trouble(StrEnum):
    """What can be wrong with the files of a data set."""

    MALFORMED = "malformed row"
    MISSING = "missing image"
    DUPLICATE = "duplicate id"
    BOM = "byte order mark"
    CRLF = "CRLF line ends"


class Problem(Struct, frozen=True):
    """One thing that was wrong, and what it cost."""

    kind: Trouble
    where: str  # "captions.txt:12", or "captions.json: annotations[11]" inside one JSON document
    what: str
    lost: int = 0  # questions left out because of it


class Entry(Struct, frozen=True):
    """What a reader found in one place: a photo, and captions of it (none: it is there to be confused with)."""

    photo: str
    captions: tuple[str, ...]
    where: str
    id: str | None = None  # a second entry with this id is a duplicate


class Query(Struct, frozen=True):
    """A question: plain text, and the photo that it was written for."""

    photo: str
    text: str


class Dataset(Struct, frozen=True):
    """What is asked, and among what."""

    name: str
    images: str  # folder
    photos: tuple[str, ...]  # relative to `images` (or absolute), in the order of the file, each once
    queries: tuple[Query, ...]
    problems: tuple[Problem, ...] = ()
    split: str = ""  # its name, or that of the list; empty: everything

    def path(self, photo: str) -> bytes:
        """Where a photo lies: absolute."""
        return os.fsencode(os.path.abspath(os.path.join(self.images, photo)))


def assemble(
    name: str,
    images: str,
    found: Iterable[Entry | Problem],
    *,
    split: str = "",
    only: Collection[str] | None = None,
) -> Dataset:
    """Put together what a reader found; with `only`, the photos of the split and nothing else.

    The first of two entries with one id counts. A photo that is not on the disk goes with its captions;
    captions are stripped, and an empty one is malformed.
    """
    captions: dict[str, list[str]] = {}
    first: dict[str, str] = {}  # photo -> where it stands first
    ids: set[str] = set()
    problems: list[Problem] = []
    for entry in found:
        if isinstance(entry, Problem):
            problems.append(entry)
            continue
        if only is not None and entry.photo not in only:
            continue
        lost = len(entry.captions)
        if not entry.photo or "\0" in entry.photo:
            problems.append(Problem(Trouble.MALFORMED, entry.where, "the photo has no name", lost))
        elif entry.id is not None and entry.id in ids:
            problems.append(Problem(Trouble.DUPLICATE, entry.where, f"{entry.id} was there before", lost))
        else:
            ids.update(() if entry.id is None else (entry.id,))
            first.setdefault(entry.photo, entry.where)
            spoken = [caption.strip() for caption in entry.captions if caption.strip()]
            captions.setdefault(entry.photo, []).extend(spoken)
            if lost > len(spoken):
                what = "the caption is empty"
                problems.append(Problem(Trouble.MALFORMED, entry.where, what, lost - len(spoken)))
    for photo, where in first.items():
        if not os.path.isfile(os.path.join(images, photo)):
            lost = len(captions.pop(photo))
            problems.append(Problem(Trouble.MISSING, where, f"{photo} is not in {images}", lost))
    return Dataset(
        name=name,
        images=images,
        photos=tuple(captions),
        queries=tuple(Query(photo, text) for photo, texts in captions.items() for text in texts),
        problems=tuple(problems),
        split=split,
    )


def limited(dataset: Dataset, photos: int) -> Dataset:
    """The first `photos` photos of a data set and their questions."""
    kept = dataset.photos[:photos]
    chosen = frozenset(kept)
    queries = tuple(query for query in dataset.queries if query.photo in chosen)
    return replace(dataset, photos=kept, queries=queries)


def told(problems: Sequence[Problem], examples: int = 3) -> list[str]:
    """The problems in sentences: for each kind how many there are and what they cost, then some examples."""
    sentences = []
    for kind, count in Counter(problem.kind for problem in problems).items():
        some = [problem for problem in problems if problem.kind is kind]
        lost = sum(problem.lost for problem in some)
        cost = f"{lost} question{'s' * (lost != 1)} left out" if lost else "no question lost"
        sentences.append(f"{kind}: {count}, {cost}")
        sentences += [f"  {problem.where}: {problem.what}" for problem in some[:examples]]
        if count > examples:
            sentences.append(f"  ... and {count - examples} more")
    return sentences
