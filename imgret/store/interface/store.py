"""One open store: its groups, transactions, small settings, and what concerns it as a whole."""

from __future__ import annotations

from contextlib import AbstractContextManager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

if TYPE_CHECKING:
    from imgret.errors import ImgretError
    from imgret.store.interface.descriptions import Notes, Results
    from imgret.store.interface.files import Contents, Photos, Removal, Roots, Signatures
    from imgret.store.interface.overview import Facets, Summary
    from imgret.store.interface.retrieval import Documents, Filters, Nearest, TextColumns, Vectors, Words
    from imgret.store.interface.work_queue import Failures, Work


class FileWatch(Protocol):
    """Watches whether an open store is still the one at its place."""

    def change(self) -> str | None:
        """What happened to it, in a sentence; None while it is the same, or its disk is away."""
        ...


class Store(Protocol):
    """An open store. Belongs to the thread that opened it; another thread opens its own, which is cheap.

    Every call raises an ImgretError in the user's words: DiskFull, ReadOnly, IndexBusy, IndexReplaced or IndexProblem.
    """

    path: str  # the place that it was opened by
    refusal: ImgretError | None  # why it cannot be written to; None where it can

    @property
    def photos(self) -> Photos: ...
    @property
    def contents(self) -> Contents: ...
    @property
    def roots(self) -> Roots: ...
    @property
    def removal(self) -> Removal: ...
    @property
    def signatures(self) -> Signatures: ...
    @property
    def work(self) -> Work: ...
    @property
    def failures(self) -> Failures: ...
    @property
    def results(self) -> Results: ...
    @property
    def notes(self) -> Notes: ...
    @property
    def vectors(self) -> Vectors: ...
    @property
    def nearest(self) -> Nearest: ...
    @property
    def words(self) -> Words: ...
    @property
    def documents(self) -> Documents: ...
    @property
    def filters(self) -> Filters: ...
    @property
    def facets(self) -> Facets: ...
    @property
    def text_columns(self) -> TextColumns: ...
    @property
    def summary(self) -> Summary: ...

    @property
    def writable(self) -> bool:
        """Whether it can be written to; where it cannot, `refusal` says why."""
        ...

    def reading(self) -> AbstractContextManager[Any]:
        """A snapshot: everything read inside is of one moment. Keep it short. Nests."""
        ...

    def writing(self, *, durable: bool = False) -> AbstractContextManager[Any]:
        """A transaction: all or nothing. Inside another `writing()` it joins that transaction.

        `durable`: on the disk when it returns, even if the power fails right after. For what a user wrote;
        it is a property of the outermost transaction.
        """
        ...

    def setting(self, key: str) -> str | None:
        """A small fact that the store remembers of itself."""
        ...

    def remember(self, key: str, value: str | None) -> None:
        """Keep a small fact; None forgets it."""
        ...

    def data_version(self) -> int:
        """Another number whenever another connection has committed; costs microseconds."""
        ...

    def change_token(self) -> tuple[int, int]:
        """Another value whenever something was committed, by this connection or another; costs microseconds."""
        ...

    def checkpoint(self) -> bool:
        """Fold pending changes into the main storage. False, and nothing, while others read."""
        ...

    def problems(self) -> list[str]:
        """What the engine's own checks find wrong; an empty list for a sound store."""
        ...

    def stages(self) -> set[str]:
        """The names of the stages that have results, vectors, words or work here."""
        ...

    def forget_stage(self, stage: str) -> None:
        """Drop everything of a stage: results, tags, vectors, words, work. In short transactions."""
        ...

    def renew_identity(self) -> None:
        """Give the store a new identity: copies that were made before now are recognised as copies."""
        ...

    def backup(self, to: str) -> None:
        """Copy what is committed now to the new file `to`, mode 0600. Raises ImgretError naming the file at fault."""
        ...

    def close(self) -> None:
        """Close it; idempotent."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
