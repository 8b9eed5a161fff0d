"""What is on the disks: photos, contents, roots."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    import numpy as np
    from numpy.typing import NDArray

    from imgret.photo import Facts, FileStat, Photo, PhotoDate
    from imgret.store.records import Looks, MountPoint, Root, Traits

    Ids = NDArray[np.int64]


class Photos(Protocol):
    """Photos: which files there are, and which content is at each path. A deleted one stays as a tombstone."""

    def known(self, root: int, folder: bytes) -> dict[bytes, FileStat]:
        """The photos in one folder of a root, not below it, without tombstones: name -> (size, mtime_ns, ctime_ns, inode)."""
        ...

    def any_known(self, root: int, under: bytes = b"") -> bool:
        """Whether a root has a photo that is no tombstone, in the folder `under` or below it."""
        ...

    def known_folders(self, root: int, under: bytes = b"") -> set[bytes]:
        """The folders of a root that have photos, tombstones not counted: `under` and those below it."""
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
        """Save that the bytes with this BLAKE3 (32 bytes) are at this path now. -> (content, whether it is new)

        `born` is when the file was created, in ns since 1970. A tombstone at the path is a photo again, and an
        earlier failure to read it is dropped. The content that was there before is kept, see `Notes.candidates`.
        """
        ...

    def content_at(self, root: int, folder: bytes, name: bytes) -> int | None:
        """The content at a path; None for an unknown path, a tombstone, and a file that could never be read."""
        ...

    def suspect(self, path: bytes, content: int) -> bool:
        """Save that other bytes than those of `content` were found at the absolute path: the next scan hashes it again.

        -> whether the content has another path, on a disk that is there, for which this was not saved.
        """
        ...

    def save_unreadable(
        self, root: int, folder: bytes, name: bytes, file_stat: FileStat, error: str, now: int
    ) -> bool:
        """Save that the file at this path could not be read, and why. Its content, if it had one, stays.

        So does that of a tombstone, unless the content has another path: what the user wrote about it is found again.
        It is tried again after pauses that grow (`policy.PAUSES`), `policy.MAX_ATTEMPTS` times. -> False, and
        nothing is saved, if the same file failed before and its pause is not over.
        """
        ...

    def due_unreadable(self, root: int, now: int) -> list[tuple[bytes, bytes]]:
        """(folder, name) of the files of a root that could not be read and whose pause is over."""
        ...

    def mark_deleted(self, root: int, folder: bytes, names: Iterable[bytes], now: int) -> int:
        """Make tombstones of these files, deleted at `now`. -> how many were none before; unknown names are ignored."""
        ...

    def find(self, path: bytes) -> Photo | None:
        """The photo or the tombstone at an absolute path; None if there is neither."""
        ...

    def known_size(self, size: int) -> bool:
        """Whether any photo or tombstone has that many bytes. If none has, no content can be equal."""
        ...

    def all_paths(self) -> Iterator[bytes]:
        """The absolute paths of all photos without tombstones, in any order, read in steps: others may write meanwhile."""
        ...

    def paths(self, content: int) -> list[Photo]:
        """The photos of a content without tombstones: those on disks that are there first, then by path."""
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
        """Contents with a photo that show the same picture: by the BLAKE3 of the bytes, and of the upright pixels.

        One of the three identifies the picture: a content (which is no copy of itself), or either hash.
        """
        ...

    def save_facts(self, content: int, facts: Facts, pixels: bytes, look: bytes | None = None) -> None:
        """The facts of the file itself, the BLAKE3 of its upright pixels, and its `perceptual.look`."""
        ...

    def look(self, content: int) -> bytes | None:
        """The `perceptual.look` of a content; None before it was decoded."""
        ...

    def facts(self, content: int) -> Facts | None:
        """The facts of the file itself; None before it was decoded."""
        ...

    def save_date(self, content: int, date: PhotoDate | None) -> None:
        """Save when the photo was taken, as far as it is known. `save_facts` sets it to the time of the camera."""
        ...

    def date(self, content: int) -> PhotoDate | None:
        """When the photo was taken; None if not known."""
        ...

    def save_position(self, content: int, position: tuple[float, float] | None) -> None:
        """Save (latitude, longitude) in degrees in place of those of the facts."""
        ...

    def purge(self, now: int) -> int:
        """Drop tombstones older than `policy.KEEP_TOMBSTONES`, and contents without a path, a note or imported tags.

        In short transactions. -> how many contents
        """
        ...


class Sidecars(Protocol):
    """Which files beside photos describe them. Folders are relative to a root."""

    def known(self, root: int, folder: bytes) -> dict[bytes, FileStat]:
        """The sidecars in one folder of a root: name -> (size, mtime_ns, ctime_ns, inode)."""
        ...

    def folders(self, root: int, under: bytes = b"") -> set[bytes]:
        """The folders of a root that have sidecars: `under` and those below it."""
        ...

    def present(self, root: int, folder: bytes, names: Sequence[bytes]) -> list[bytes]:
        """Those of these names that are sidecars in a folder, in their order."""
        ...

    def save(self, root: int, folder: bytes, name: bytes, file_stat: FileStat) -> None:
        """Save that this sidecar is there, in place of what was saved of it before."""
        ...

    def forget(self, root: int, folder: bytes, names: Iterable[bytes]) -> None:
        """Save that these sidecars are not there any more; unknown names are ignored."""
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

    def add(
        self,
        path: bytes,
        *,
        watched: bool | None = None,
        filesystem: str | None = None,
        separate: bool = False,
    ) -> Root:
        """Make `path` (absolute, without symbolic links) a root, if it is none. With `watched` None, that is kept.

        In a store that several hosts share, a root of other hosts on the same `filesystem` (`mounts.root_identity`)
        is this one, though they have it at another path. `separate`: other hosts have another folder at this path.

        Roots do not overlap: those inside the new one are merged into it, with their photos and mounts. Do not
        call it for a path inside another root, see `enclosing`. A root that was removed comes back with its id.
        """
        ...

    def move(self, root: int, path: bytes) -> None:
        """Save that a root is at another path, on this host: the folder of the same photos, according to the user."""
        ...

    def scanning(self, root: int) -> AbstractContextManager[bool]:
        """Hold the right to scan a root; False if another host has it. Not within a transaction."""
        ...

    def is_active(self, root: int) -> bool:
        """Whether the root is there, neither removed nor merged into one above it, maybe by another process."""
        ...

    def enclosing(self, path: bytes) -> tuple[Root, bytes] | None:
        """The root that is or holds the folder `path`, and the folder relative to it."""
        ...

    def mark_online(self, root: int, filesystem: str | None) -> None:
        """Save that the root is there, on this filesystem; None keeps the one that was saved before."""
        ...

    def accept_any_filesystem(self, path: bytes) -> None:
        """Forget the filesystems of the root `path` and of the mounts at `path` and below it, as the user allowed."""
        ...

    def mark_offline(self, root: int, reason: str) -> None:
        """Save that the root is away, and why: its photos stay, and are offline."""
        ...

    def mounts(self, root: int) -> list[MountPoint]:
        """Where other disks were mounted below a root."""
        ...

    def mark_mounted(self, root: int, folder: bytes, filesystem: str) -> None:
        """Save that this filesystem is mounted on this folder of a root."""
        ...

    def mark_unmounted(self, root: int, folder: bytes, reason: str) -> None:
        """Save that the disk that was mounted here is away: photos in the folder and below it are offline. No mount, no effect."""
        ...

    def forget_mounts(self, root: int, folder: bytes) -> None:
        """Drop the mounts at this folder of a root and below it; of the whole root if it is empty."""
        ...

    def mark_scanned(self, root: int, now: int) -> None:
        """Save when a full scan of the root ended."""
        ...


class Removal(Protocol):
    """Taking a folder out of the store."""

    def remove_folder(self, path: bytes, kept: Collection[bytes], now: int) -> int:
        """Make tombstones of the photos below `path`, except those in the folders `kept`. -> how many

        All paths are absolute and resolved. A folder of `kept` inside a root that goes becomes a root of its own.
        """
        ...


class Signatures(Protocol):
    """What pictures look like, and what else is compared of copies, read in bulk."""

    def all(self) -> Iterator[Looks]:
        """The contents that have a perceptual hash, in steps."""
        ...

    def of(self, contents: Ids) -> Looks:
        """Those of these contents that have a perceptual hash."""
        ...

    def traits(self) -> Iterator[Traits]:
        """All living contents, in steps."""
        ...
