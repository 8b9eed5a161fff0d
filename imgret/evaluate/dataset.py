"""A data set: photos, the queries that people wrote for them, and the problems in its files.

Every query has one relevant photo. Nothing is dropped silently: each part of a file that cannot be used becomes a
`Problem` with its place and the number of queries that were lost.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace


class ProblemKind(StrEnum):
    """The kinds of problems in the files of a data set."""

    MALFORMED = "malformed row"
    MISSING = "missing image"
    DUPLICATE = "duplicate id"
    NO_VECTOR = "query without a vector"
    BOM = "byte order mark"
    CRLF = "CRLF line endings"


class Problem(Struct, frozen=True):
    """One problem in a file of a data set."""

    kind: ProblemKind
    where: str  # "captions.txt:12", or "captions.json: annotations[11]" inside one JSON document
    what: str
    lost: int = 0  # queries left out because of it


class Entry(Struct, frozen=True):
    """A photo and its captions, as read from one place of a file. A photo without captions is only a distractor."""

    photo: str
    captions: tuple[str, ...]
    where: str
    id: str | None = None  # a second entry with this id is a duplicate


class Query(Struct, frozen=True):
    """A query: plain text, and the photo that it was written for."""

    photo: str
    text: str


class Dataset(Struct, frozen=True):
    """The photos and queries of a data set or of one of its splits."""

    name: str
    images: str  # folder
    photos: tuple[str, ...]  # relative to `images` (or absolute), in the order of the file, each once
    queries: tuple[Query, ...]
    problems: tuple[Problem, ...] = ()
    split: str = ""  # its name, or that of its list of photos; empty: the whole data set

    def path(self, photo: str) -> bytes:
        """Return the absolute path of a photo."""
        return path_of(self.images, photo)


def path_of(images: str, photo: str) -> bytes:
    """Return the absolute path of a photo whose path is relative to the folder `images`, or absolute."""
    return os.fsencode(os.path.abspath(os.path.join(images, photo)))


def assemble(
    name: str,
    images: str,
    found: Iterable[Entry | Problem],
    *,
    split: str = "",
    only: Collection[str] | None = None,
    described: Collection[bytes] = (),
) -> Dataset:
    """Build a data set from the entries and problems that a reader found; with `only`, of these photos alone.

    Of two entries with the same id, the first is used. Photos that do not exist are left out with their captions,
    except those in `described` (absolute paths), for which there are stand-ins. Captions are stripped, and empty ones
    are reported as malformed.
    """
    captions: dict[str, list[str]] = {}
    first: dict[str, str] = {}  # photo -> the first place that names it
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
            problems.append(Problem(ProblemKind.MALFORMED, entry.where, "the photo has no name", lost))
        elif entry.id is not None and entry.id in ids:
            problems.append(Problem(ProblemKind.DUPLICATE, entry.where, f"{entry.id} occurs before", lost))
        else:
            ids.update(() if entry.id is None else (entry.id,))
            first.setdefault(entry.photo, entry.where)
            usable = [caption.strip() for caption in entry.captions if caption.strip()]
            captions.setdefault(entry.photo, []).extend(usable)
            if lost > len(usable):
                what = "the caption is empty"
                problems.append(Problem(ProblemKind.MALFORMED, entry.where, what, lost - len(usable)))
    for photo, where in first.items():
        if not os.path.isfile(os.path.join(images, photo)) and path_of(images, photo) not in described:
            lost = len(captions.pop(photo))
            problems.append(Problem(ProblemKind.MISSING, where, f"{photo} is not in {images}", lost))
    return Dataset(
        name=name,
        images=images,
        photos=tuple(captions),
        queries=tuple(Query(photo, text) for photo, texts in captions.items() for text in texts),
        problems=tuple(problems),
        split=split,
    )


def first_photos(dataset: Dataset, photos: int) -> Dataset:
    """Return the data set with its first `photos` photos and their queries."""
    kept = dataset.photos[:photos]
    chosen = frozenset(kept)
    queries = tuple(query for query in dataset.queries if query.photo in chosen)
    return replace(dataset, photos=kept, queries=queries)


def summarize(problems: Sequence[Problem], examples: int = 3) -> list[str]:
    """Return lines for the user: for each kind the number of problems and of lost queries, then some examples."""
    sentences = []
    for kind, count in Counter(problem.kind for problem in problems).items():
        some = [problem for problem in problems if problem.kind is kind]
        lost = sum(problem.lost for problem in some)
        cost = f"{lost} {'query' if lost == 1 else 'queries'} left out" if lost else "no query left out"
        sentences.append(f"{kind}: {count}, {cost}")
        sentences += [f"  {problem.where}: {problem.what}" for problem in some[:examples]]
        if count > examples:
            sentences.append(f"  ... and {count - examples} more")
    return sentences
