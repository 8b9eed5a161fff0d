"""One open store: its groups, transactions, small settings, and what concerns it as a whole."""

from __future__ import annotations

from contextlib import AbstractContextManager
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from imgret.errors import ImgretError
    from imgret.store.interface.descriptions import Notes, Results
    from imgret.store.interface.files import Contents, Photos, Removal, Roots, Sidecars, Signatures
    from imgret.store.interface.overview import Facets, Summary
    from imgret.store.interface.retrieval import Documents, Filters, Nearest, TextColumns, Vectors, Words
    from imgret.store.interface.work_queue import Failures, Work, Workers
    from imgret.store.table_rows import Row, Table


T = TypeVar("T")


class Transfer(Protocol):
    """Rows of whole tables, to copy a library to a store of another engine; see `store.copying`.

    Truth values are 0 and 1; vectors are float16, little-endian.
    """

    def count(self, table: Table) -> int:
        """How many rows there are."""
        ...

    def read(self, table: Table, after: Row | None = None) -> Iterator[list[Row]]:
        """The rows in steps, in the order of their key, which is greater than `after`. Within `reading()` or `writing()`."""
        ...

    def write(self, table: Table, rows: list[Row]) -> None:
        """Add rows. Within `writing()`."""
        ...

    def finish(self) -> None:
        """All rows were added: ids of later rows are greater. Within `writing()`."""
        ...


class FileWatch(Protocol):
    """Watches whether an open store is still the one at its place."""

    def change(self) -> str | None:
        """What happened to it, in a sentence; None while it is the same, or its disk is away."""
        ...


class Changes(Protocol):
    """Notices what other processes commit. Belongs to one thread."""

    def wait(self, seconds: float) -> bool:
        """Wait for a commit of another process, up to this time. -> whether there was one. Raises ImgretError."""
        ...

    def close(self) -> None:
        """Close it; idempotent."""
        ...


class Store(Protocol):
    """One connection to a store. Belongs to the thread that opened it; another thread opens its own, which is cheap.

    Ids of contents and roots are positive integers of 64 bits; a later content has a larger id. Paths are bytes:
    a folder is relative to its root and empty for the root itself. Times are whole seconds since 1970. A method
    that is given an unknown id finds or changes nothing.

    Unless a method documents other errors, failures are an ImgretError with a message for users: DiskFull,
    ReadOnly, IndexBusy, IndexReplaced or IndexProblem.
    """

    path: str  # the place that `open_store` was given; for messages, and to open another connection
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
    def sidecars(self) -> Sidecars: ...
    @property
    def signatures(self) -> Signatures: ...
    @property
    def work(self) -> Work: ...
    @property
    def workers(self) -> Workers: ...
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
    def transfer(self) -> Transfer: ...

    @property
    def writable(self) -> bool:
        """Whether it can be written; if not, `refusal` is the reason."""
        ...

    def reading(self) -> AbstractContextManager[object]:
        """A snapshot: everything read inside is of one moment. Keep it short. Nests, also inside `writing()`.

        Do not write inside. What the context manager yields belongs to the engine.
        """
        ...

    def give_way(self) -> None:
        """Let other processes write, between the short transactions of work that takes long."""
        ...

    def expect(self, contents: Collection[int]) -> None:
        """These contents are read next, one by one, within the same transaction: they can be read together.

        Changes nothing else, and is without effect outside `reading()` and `writing()`.
        """
        ...

    def writing(self, *, durable: bool = False) -> AbstractContextManager[object]:
        """A transaction: an exception that leaves it undoes everything that was changed inside, and passes on.

        Others see the changes once it ends. Transactions have the same result as one after the other: what one
        has read, no other changes before it ends. Waits for others, and raises IndexBusy if that takes too long.
        What is saved inside may be sent to a server later, at the end at the latest, and an error with it.

        Inside another `writing()` it joins that transaction: an exception that is caught there undoes nothing.
        `durable`: the changes survive a power failure right after the end. For what a user wrote; has an effect
        on the outermost transaction alone. What the context manager yields belongs to the engine.
        """
        ...

    def changing(self, contents: Collection[int], job: Callable[[], T]) -> T:
        """Do `job` in a transaction that changes only what belongs to these contents. -> what it returns.

        As in `writing()`, but an engine may let it run beside others of the kind with other contents: what `job` reads
        of these contents, no other changes meanwhile. It may undo `job` and do it again: `job` changes nothing but the store.
        """
        ...

    def setting(self, key: str) -> str | None:
        """The text that was kept under `key`; None if there is none."""
        ...

    def remember(self, key: str, value: str | None) -> None:
        """Keep a short text without NUL under `key`, in place of the one before; None drops it.

        Surrogates, which stand for bytes that are not UTF-8, become U+FFFD.
        """
        ...

    def data_version(self) -> int:
        """A number that differs from the last one if another connection has committed since; costs microseconds.

        It means nothing to other connections. Commits of this connection do not change it.
        """
        ...

    def change_token(self) -> tuple[int, int]:
        """A value that differs from all before if anything was committed since, by any connection; costs microseconds.

        It means nothing to other connections. Reading and transactions of others that were undone do not change it.
        """
        ...

    def checkpoint(self) -> bool:
        """Tidy the storage after much was written, so that it takes less space and opens faster.

        -> False, and nothing is done, while others read. An engine that tidies by itself returns True.
        """
        ...

    def problems(self) -> list[str]:
        """What the engine's own checks find wrong, one sentence each; empty for a sound store. Reads everything."""
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
        """Copy what is committed now to the new file `to` (absolute), mode 0600; `factory.restore` takes such a file.

        Others may write meanwhile. Raises IndexProblem if `to` exists or has no folder, DiskFull or ReadOnly if it
        cannot be written; the message names the file at fault.
        """
        ...

    def close(self) -> None:
        """Close it; idempotent."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
