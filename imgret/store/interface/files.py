"""What lies on the disks: photos, contents, roots."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from imgret.photo import Facts, FileStat, Photo
    from imgret.store.records import (
        MountPoint,
        Root,
    )

    Ids = NDArray[np.int64]
    Rows = NDArray[np.int8]


class Photos(Protocol):
    """Paths: which files lie where, and which content lies at each."""

    def known(self, root: int, folder: bytes) -> dict[bytes, FileStat]:
        """Name -> file_stat of the living photos in one folder of a root."""
        ...

    def any_known(self, root: int, under: bytes = b"") -> bool:
        """Whether a root holds a living photo, at or below the folder `under`."""
        ...

    def known_folders(self, root: int, under: bytes = b"") -> set[bytes]:
        """The folders of a root, at or below `under`, that hold living photos."""
        ...

    def save(
        self,
        root: int,
        folder: bytes,
        name: bytes,
        file_stat: FileStat,
        hash_: bytes,
        now: int,
        born: int | None = None,
    ) -> tuple[int, bool]:
        """This content (32-byte BLAKE3) lies at this path. -> (content, is it new to the index).

        `born` is when the file was created, in ns. What lay at the path before is remembered, see `edits`.
        """
        ...

    def content_at(self, root: int, folder: bytes, name: bytes) -> int | None:
        """The content that lies at a living path; None if the index knows none."""
        ...

    def suspect(self, path: bytes, content: int) -> bool:
        """Other bytes than those of `content` were met at `path`: the next scan asks its hash again.

        -> whether the content has another living path that can be seen, where that was not so.
        """
        ...

    def save_unreadable(
        self, root: int, folder: bytes, name: bytes, file_stat: FileStat, error: str, now: int
    ) -> bool:
        """The file at this path could not be read; what was known of it stays, and it is tried again later.

        -> False when the same was known already and its next try is not due: that look does not count.
        """
        ...

    def due_unreadable(self, root: int, now: int) -> list[tuple[bytes, bytes]]:
        """(folder, name) of the unreadable files of a root that are worth another try."""
        ...

    def mark_deleted(self, root: int, folder: bytes, names: Iterable[bytes], now: int) -> int:
        """These files are gone: they become tombstones. -> how many were alive."""
        ...

    def find(self, path: bytes) -> Photo | None:
        """The photo at an absolute path, tombstones included; None when the index does not know it."""
        ...

    def known_size(self, size: int) -> bool:
        """Whether any photo, living or gone, has that many bytes: else its content is not worth a hash."""
        ...

    def all_paths(self) -> Iterator[bytes]:
        """The absolute paths of all living photos, root by root, a thousand at a time: no long read."""
        ...

    def paths(self, content: int) -> list[Photo]:
        """Where a content lies now: those online first, then by path."""
        ...


class Contents(Protocol):
    """What photos are: the bytes, named by their BLAKE3, and the facts of the decoded picture."""

    def hash_of(self, content: int) -> bytes | None:
        """The BLAKE3 of a content's bytes."""
        ...

    def content_named(self, hash_: bytes) -> int | None:
        """The content with this BLAKE3; None if the index has none."""
        ...

    def copies(
        self, *, content: int | None = None, hash_: bytes | None = None, pixels: bytes | None = None
    ) -> list[int]:
        """Contents that lie somewhere and are the same picture: by the BLAKE3 of the bytes, and of the upright pixels.

        One of the three says which picture: a content (which is no copy of itself), or either hash.
        """
        ...

    def save_facts(self, content: int, facts: Facts, pixels: bytes, look: bytes | None = None) -> None:
        """What the file itself says, the BLAKE3 of its upright pixels, and its `perceptual.signature`."""
        ...

    def look(self, content: int) -> bytes | None:
        """The `perceptual.signature` of a content; None before it was decoded."""
        ...

    def facts(self, content: int) -> Facts | None:
        """What the file itself says; None before it was decoded."""
        ...

    def purge(self, now: int) -> int:
        """Forget tombstones older than 30 days, and contents without a path or a note. -> contents forgotten."""
        ...

    def forget(self, contents: Iterable[int]) -> None:
        """Drop contents and all that hangs on them, derived tables included."""
        ...


class Roots(Protocol):
    """Folders that were indexed or are watched, and the disks mounted below them."""

    def all(self) -> list[Root]:
        """Every root, by path; those that were removed are left out."""
        ...

    def root_of(self, path: bytes) -> tuple[Root, bytes, bytes] | None:
        """The innermost root above the file `path`, the file's folder relative to it, and its name.

        It may be one that was removed: its tombstones are still known.
        """
        ...

    def add(self, path: bytes, *, watched: bool | None = None) -> Root:
        """The root at `path` (absolute, resolved), made if need be; `watched` is left as it is when None.

        Roots do not overlap: those inside the new one are absorbed with their photos. For a path inside a
        root that is known already, ask `enclosing` first. One that was removed is a root again.
        """
        ...

    def is_active(self, root: int) -> bool:
        """Whether the root was neither removed nor absorbed by one above it, by whatever process."""
        ...

    def enclosing(self, path: bytes) -> tuple[Root, bytes] | None:
        """The root that is or holds the folder `path`, and the folder relative to it."""
        ...

    def mark_online(self, root: int, filesystem: str | None) -> None:
        """The root is there, on this filesystem."""
        ...

    def accept_any_filesystem(self, path: bytes) -> None:
        """The owner says that what is at `path` may lie on another filesystem now, say on a new disk."""
        ...

    def mark_offline(self, root: int, reason: str) -> None:
        """The root is away: its photos stay searchable and are marked so."""
        ...

    def mounts(self, root: int) -> list[MountPoint]:
        """Where other disks were mounted below a root."""
        ...

    def mark_mounted(self, root: int, folder: bytes, filesystem: str) -> None:
        """On this folder of a root this filesystem is mounted now."""
        ...

    def mark_unmounted(self, root: int, folder: bytes, reason: str) -> None:
        """The disk that was mounted here is away: its photos stay searchable and are marked so."""
        ...

    def forget_mounts(self, root: int, folder: bytes) -> None:
        """What was mounted at this folder of a root, or below it, matters no more. Empty: all of the root."""
        ...

    def mark_scanned(self, root: int, now: int) -> None:
        """A full scan of the root ended at `now`."""
        ...


class Removal(Protocol):
    """Taking a folder out of the store."""

    def remove_folder(self, path: bytes, kept: Collection[bytes], now: int) -> int:
        """Bury the photos below the folder `path`, except those in the folders `kept`. -> how many left.

        All paths are absolute and resolved. A folder of `kept` inside a root that goes becomes a root of its own.
        """
        ...


class Signatures(Protocol):
    """What all pictures look like, read in bulk."""

    def all(self) -> Iterator[tuple[Ids, Rows]]:
        """The contents that have a signature, in steps: their ids and signatures, (contents, 64)."""
        ...
