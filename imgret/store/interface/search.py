"""What questions are asked of: vectors, words, filters."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from imgret.photo import ModelIdentity, View
    from imgret.store.clauses import Clause
    from imgret.store.codes import Projection
    from imgret.store.records import (
        Occurrences,
        Term,
    )

    Ids = NDArray[np.int64]
    Matrix = NDArray[np.float32]
    Progress = Callable[[int, int], None]


class Vectors(Protocol):
    """The vectors of each content by view: float16, unit norm, the source of every derived table."""

    def save(self, content: int, model: ModelIdentity, vectors: Mapping[View, Matrix]) -> None:
        """Replace all views of a content by `vectors`, each (dimension,), and keep `nearest` true with them.

        Raises ValueError for a vector that holds NaN, is not of unit norm (zero included) or not as long as
        the model's other vectors: one such row would hide its true neighbours from every question.
        """
        ...

    def active_model(self) -> ModelIdentity | None:
        """The embedder whose vectors answer now; None while there are no vectors."""
        ...

    def activate_when_complete(self, wanted: ModelIdentity) -> bool:
        """Let `wanted` answer, once it covers all living photos that the one before covers; True once it does.

        The vectors of others are dropped then, and `nearest` is made anew, both in short transactions. Until then
        nothing changes.
        To be called when a run of describing is done: a `nearest` that was outgrown is made anew, too.
        """
        ...

    def last_id(self) -> int:
        """A number that grows with every vector that is saved; 0 while there are none."""
        ...

    def of(self, contents: Ids, views: Sequence[View] = tuple(View)) -> dict[View, Matrix]:
        """The answering embedder's vectors of `contents`, by view: float32 (contents, dimension), in order.

        A row is NaN where a content lacks the view.
        """
        ...

    def evenly_spread(self, count: int) -> Ids:
        """At most `count` contents with vectors, evenly over the library, ascending; always the same ones."""
        ...

    def all(self, view: View) -> tuple[Ids, Matrix]:
        """The ids, ascending, and the vectors of one view: all of them, float32 (rows, dimension)."""
        ...

    def rebuild(self, progress: Progress | None = None) -> None:
        """Make what is derived from the vectors anew; see `nearest.rebuild`."""
        ...


class Nearest(Protocol):
    """The nearest-neighbour table of the leading view, derived from the vectors."""

    def search(self, query: Matrix, count: int, among: Ids | None = None) -> Ids:
        """The `count` contents nearest to a unit vector (dimension,), nearest first; `among` these ids, if given.

        Exact in a small library, and among few. In a large one codes decide: ask for 4 times the results
        wanted, rescore them from the truth and cut (recall@20 is 0.997 so). Raises Damaged when the table
        cannot answer.
        """
        ...

    def scan(self, query: Matrix, count: int, among: Ids | None = None) -> Ids:
        """As `search`, always exact and without the table: every vector is read."""
        ...

    def rebuild(
        self,
        progress: Progress | None = None,
        *,
        model: int | None = None,
        switch: Callable[[], bool] = lambda: True,
    ) -> bool:
        """Make `nearest` anew from the truth. Until it is done the old table answers, and others may write.

        `model` is the row of the embedder whose vectors it holds, that of today by default; for the rest see
        `nearest_build.build`. -> whether the new table answers.
        """
        ...

    def active(self) -> int | None:
        """The number of the embedder whose vectors are searched; None while there are no vectors."""
        ...

    def projection(self) -> Projection | None:
        """How the codes of a large library are made; None while full vectors are compared."""
        ...

    def count(self) -> int:
        """How many contents have a leading vector of the active embedder."""
        ...

    def leading_vectors(self) -> Iterator[tuple[Ids, Matrix]]:
        """The active embedder's leading vectors in steps: ids (n,), float32 (n, dimension). Within `reading()`."""
        ...

    def leading_since(self, last: int, model: int | None) -> tuple[Ids, Matrix]:
        """The leading vectors of embedder `model` saved after the vector `last`: each content once, its newest."""
        ...


class Words(Protocol):
    """The words index: BM25 over the texts of each content."""

    def terms(self, texts: Iterable[str], *, wider: bool = True) -> list[Term]:
        """The words of these texts as the index knows them, each once; those of a file's name are taken apart.

        A word of an unspaced script is a phrase of its characters. With `wider`, `people` means the
        label `person`, too.
        """
        ...

    def document_count(self) -> int:
        """About how many documents there are: never fewer, and read in no time."""
        ...

    def best(
        self,
        asked: Sequence[Term],
        count: int,
        budget: int,
        *,
        strict: bool = False,
        passes: Callable[[Ids], NDArray[np.bool_]] | None = None,
    ) -> Ids:
        """The `count` documents that match best by BM25, best first, of those that pass.

        BM25 reads every document that holds a term, so the commonest terms, which tell least, are left out
        once those before them hold more than `budget` documents; the rarest is always asked unless `strict`.
        """
        ...

    def occurrences(
        self, asked: Sequence[Term], contents: Ids, pairs: Sequence[tuple[int, int]] = ()
    ) -> Occurrences:
        """How often each term stands in each column. `pairs` are terms (adjective, noun) of which one describes the other.

        Names are no sentences: what stands in them describes anything.
        """
        ...


class Documents(Protocol):
    """Checks of the words index."""

    def check(self) -> list[str]:
        """What is wrong with the words index, in sentences; empty when it is sound."""
        ...


class Filters(Protocol):
    """Which living contents pass the filters of a question."""

    def matching(self, clauses: Sequence[Clause]) -> Ids:
        """The contents that lie somewhere and pass every clause, ascending.

        What is asked of contents and what is asked of paths is looked up apart, each by its own indexes:
        together, SQLite would visit every photo.
        """
        ...

    def living(self, contents: Ids) -> NDArray[np.bool_]:
        """Which of these contents lie somewhere still. Costs a look-up each."""
        ...

    def newest(self, among: Ids | None, count: int) -> Ids:
        """The `count` contents taken last, undated ones after them; `among` these ids, if given."""
        ...

    def showing(self, clauses: Iterable[Clause], content: int) -> list[tuple[bytes, bool]]:
        """The living paths of a content that pass the clauses about paths: (path, online), online ones first."""
        ...
