"""What is searched: vectors, words, filters."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from imgret.store.records import TEXT, TEXT_SPACE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from imgret.photo import ModelIdentity
    from imgret.store.clauses import Clause
    from imgret.store.codes import Projection
    from imgret.store.records import (
        Occurrences,
        Space,
        SpaceTraits,
        Term,
        TextColumn,
    )

    Ids = NDArray[np.int64]
    Matrix = NDArray[np.float32]
    Progress = Callable[[int, int], None]


class Vectors(Protocol):
    """The vectors of each content by space and view: float16, unit norm, the source of the nearest-neighbour tables."""

    def save(
        self,
        content: int,
        model: ModelIdentity,
        vectors: Mapping[str, Matrix],
        stage: str = TEXT,
        space: SpaceTraits = TEXT_SPACE,
    ) -> None:
        """Replace the vectors that `model` made of a content by `vectors`: view -> (dimension,).

        Raises ValueError for a vector that holds NaN, is not of unit norm (zero included) or not as long as
        the model's other vectors: one such row would hide its true neighbours from every search.
        """
        ...

    def active_spaces(self) -> list[Space]:
        """The spaces that are searched, one for each stage that has vectors, the oldest first."""
        ...

    def active_space(self, stage: str = TEXT) -> Space | None:
        """The space of a stage that is searched; None while it has no vectors."""
        ...

    def active_model(self, stage: str = TEXT) -> ModelIdentity | None:
        """The encoder of a stage whose vectors are searched; None while there are no vectors."""
        ...

    def activate_when_complete(self, wanted: ModelIdentity, stage: str = TEXT) -> bool:
        """Search the vectors of `wanted`, once it covers all living photos that the one before covers; True once it does.

        The vectors of others are dropped then, and the nearest-neighbour table is rebuilt, both in short
        transactions. Until then nothing changes. To be called when a run of describing is done: a table that
        is outdated is rebuilt, too.
        """
        ...

    def last_id(self) -> int:
        """A number that grows with every vector that is saved; 0 while there are none."""
        ...

    def of(self, space: Space, contents: Ids, views: Sequence[str]) -> dict[str, Matrix]:
        """The vectors of `contents` in a space, by view: float32 (contents, dimension), in order.

        A row is NaN where a content lacks the view.
        """
        ...

    def evenly_spread(self, space: Space, count: int) -> Ids:
        """At most `count` contents with vectors, evenly over the library, ascending; always the same ones."""
        ...

    def all(self, space: Space, view: str) -> tuple[Ids, Matrix]:
        """The ids, ascending, and the vectors of one view: all of them, float32 (rows, dimension)."""
        ...

    def rebuild(self, progress: Progress | None = None) -> None:
        """Rebuild what is derived from the vectors that are searched; see `Nearest.rebuild`."""
        ...


class Nearest(Protocol):
    """The nearest-neighbour table of each space, derived from its leading vectors."""

    def search(self, space: Space, query: Matrix, count: int, among: Ids | None = None) -> Ids:
        """The `count` contents nearest to a unit vector (dimension,), nearest first; `among` these ids, if given.

        Exact in a small library, and among few. In a large one codes decide: request 4 times the results
        wanted, rescore them from the vectors and cut (recall@20 is 0.997 so). Raises Damaged when the table
        cannot be searched.
        """
        ...

    def scan(self, space: Space, query: Matrix, count: int, among: Ids | None = None) -> Ids:
        """As `search`, always exact and without the table: every vector is read."""
        ...

    def rebuild(
        self, space: Space, progress: Progress | None = None, *, switch: Callable[[], bool] = lambda: True
    ) -> bool:
        """Rebuild the table from the vectors. Until it is done the old table is searched, and others may write.

        `switch` is called in the transaction that changes over to the new table; where it returns False, the old
        one stays. -> whether the new table is searched now.
        """
        ...

    def projection(self, space: Space) -> Projection | None:
        """How the codes of a large library are made; None while full vectors are compared."""
        ...

    def count(self, space: Space) -> int:
        """How many contents have a leading vector in this space."""
        ...

    def contents(self, space: Space) -> Ids:
        """The contents that have a leading vector in this space, ascending."""
        ...

    def leading_vectors(self, space: Space) -> Iterator[tuple[Ids, Matrix]]:
        """The leading vectors in steps: ids (n,), float32 (n, dimension). Within `reading()`."""
        ...

    def leading_since(self, space: Space, last: int) -> tuple[Ids, Matrix]:
        """The leading vectors saved after the vector `last`: each content once, its newest."""
        ...


class Words(Protocol):
    """The words index: BM25 over the texts of each content."""

    def terms(self, texts: Iterable[str], *, wider: bool = True) -> list[Term]:
        """The words of these texts as they are in the index, each once; those of a file's name are taken apart.

        A word of an unspaced script is a phrase of its characters. With `wider`, `people` means the
        label `person`, too.
        """
        ...

    def document_count(self) -> int:
        """About how many documents there are: never fewer, and read in no time."""
        ...

    def best(
        self,
        terms: Sequence[Term],
        count: int,
        budget: int,
        *,
        strict: bool = False,
        passes: Callable[[Ids], NDArray[np.bool_]] | None = None,
    ) -> Ids:
        """The `count` documents that match best by BM25, best first, of those that pass.

        BM25 reads every document that holds a term, so the commonest terms, which are least informative, are left out
        once those before them hold more than `budget` documents; the rarest is always searched unless `strict`.
        Before them come documents whose columns with `substrings` contain a long word, or neighbouring words, as a part:
        with `passes`, those that pass of the first `budget`. They take half of the places if there are too few for all.
        """
        ...

    def occurrences(
        self, terms: Sequence[Term], contents: Ids, pairs: Sequence[tuple[int, int]] = ()
    ) -> Occurrences:
        """How often each term stands in each column. `pairs` are terms (adjective, noun) of which one describes the other.

        Names are no sentences: what stands in them describes anything. In a column with `substrings` a long word counts
        once where it is part of another, and neighbouring words where they are written together.

        The parts of a text between `ALTERNATIVE` describe the same thing: a term counts as often as in the part that has it
        most often, the length is that of the longest part, and pairs are found within one part.
        """
        ...


class TextColumns(Protocol):
    """The columns of the words index."""

    def all(self) -> list[TextColumn]:
        """The columns that there are, in their order."""
        ...

    def set(self, wanted: Sequence[TextColumn]) -> bool:
        """Have exactly these columns of stages. -> whether columns came or went. Cheap when nothing changed.

        A column that comes is empty; the words in one that goes are lost. A column that from now on has `substrings`
        keeps its words, and parts of them are found at once. An engine may do it in short transactions, the last of
        which changes the columns. Raises ValueError for a name that no column can have.
        """
        ...


class Documents(Protocol):
    """Checks of the words index."""

    def check(self) -> list[str]:
        """What is wrong with the words index, in sentences; empty when it is sound."""
        ...


class Filters(Protocol):
    """Which living contents pass the filters of a query."""

    def matching(self, clauses: Sequence[Clause]) -> Ids:
        """The contents that have a photo and pass every clause, ascending.

        Conditions on contents and conditions on paths are looked up separately, each by its own indexes:
        together, SQLite would visit every photo.
        """
        ...

    def living(self, contents: Ids) -> NDArray[np.bool_]:
        """Which of these contents still have a photo. Costs a look-up each."""
        ...

    def newest(self, among: Ids | None, count: int) -> Ids:
        """The `count` contents taken last, undated ones after them; `among` these ids, if given."""
        ...

    def first_by_path(self, clauses: Sequence[Clause], count: int) -> Ids:
        """The `count` contents that pass and whose paths come first in the order of bytes.

        Of a content with several paths, the first one that passes the clauses about paths counts.
        """
        ...

    def showing(self, clauses: Iterable[Clause], content: int) -> list[tuple[bytes, bool]]:
        """The living paths of a content that pass the clauses about paths: (path, online), online ones first."""
        ...
