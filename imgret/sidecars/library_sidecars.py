"""Write the sidecars of the photos of a library, and remove what was written. Photos are only looked at by their names.

A sidecar that cannot be written costs a sentence, and a folder that cannot be written costs one; the others go on.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import partial
from itertools import islice

from msgspec import Struct

from imgret import disk_calls
from imgret.decode.own_xmp import NAMESPACE
from imgret.decode.xmp import XmpError
from imgret.disk_calls import DiskCall, NotResponding
from imgret.errors import ImgretError
from imgret.safe_open import Descent
from imgret.sidecar_names import XMP, written_sidecar
from imgret.sidecars import replace_file
from imgret.sidecars.known_words import known
from imgret.sidecars.merge_own import Known, merge
from imgret.sidecars.remove_own import remove_own, written
from imgret.store import paths
from imgret.store.interface import Store
from imgret.store.records import Root

_AT_ONCE = 200  # photos whose words are in memory
_NOT_WRITABLE = (errno.EROFS, errno.EACCES, errno.EPERM)
_FULL = (errno.ENOSPC, errno.EDQUOT)

Change = Callable[[bytes | None, int], bytes | None]  # (sidecar, modified) -> sidecar; None: there is none


class Outcome(Struct):
    """What was done; the figures are numbers of sidecars."""

    written: int = 0
    deleted: int = 0  # imgret had created them, and nothing else is in them
    unchanged: int = 0
    left: int = 0  # could not be written
    problems: list[str] = []


class Target(Struct, frozen=True):
    """Where the sidecars are: beside the photos, or in a mirror folder."""

    umask: int
    mirror: bytes | None = None  # absolute
    dry_run: bool = False

    def base(self, root: Root) -> bytes:
        """Return the folder that stands for a root."""
        return root.path if self.mirror is None else os.path.join(self.mirror, os.path.basename(root.path))


def write_sidecars(
    store: Store,
    folders: Collection[bytes],
    kinds: Collection[str],
    target: Target,
    on_change: Callable[[bytes], None],
) -> Outcome:
    """Write what is known of the photos below these absolute folders. `on_change` is called with each changed sidecar.

    Raises ImgretError if a disk is full, and the store's errors.
    """
    outcome = Outcome()
    for root, folder in _photo_folders(store, folders, outcome):
        photos = store.photos.known(root.id, folder)
        names = iter(sorted(photos))
        while some := list(islice(names, _AT_ONCE)):
            contents = [(name, store.photos.content_at(root.id, folder, name)) for name in some]
            words = [(name, known(store, content)) for name, content in contents if content is not None]
            changes = partial(_merges, words, photos, kinds)
            _Folder(root, folder, target, outcome, on_change).change(changes)
    return outcome


def remove_sidecars(
    store: Store, folders: Collection[bytes], target: Target, on_change: Callable[[bytes], None]
) -> Outcome:
    """Take out of the sidecars below these absolute folders what imgret wrote. As `write_sidecars`."""
    outcome = Outcome()

    def changes(present: Collection[bytes]) -> Iterator[tuple[bytes, Change]]:
        return ((name, _removing) for name in sorted(present) if name[-4:].lower() == XMP)

    for root, folder in _photo_folders(store, folders, outcome):
        _Folder(root, folder, target, outcome, on_change).change(changes)
    outcome.unchanged = 0  # sidecars of other programs
    return outcome


def _merges(
    words: Iterable[tuple[bytes, Known]],
    photos: Collection[bytes],
    kinds: Collection[str],
    present: Collection[bytes],
) -> Iterator[tuple[bytes, Change]]:
    for name, each in words:
        yield written_sidecar(name, photos, present), _merging(each, kinds)


def _merging(words: Known, kinds: Iterable[str]) -> Change:
    return lambda data, modified: merge(data, words, kinds, modified)


def _removing(data: bytes | None, _: int) -> bytes | None:
    if data is None or NAMESPACE.encode() not in data:
        return data
    return remove_own(data, written(data))


def _photo_folders(store: Store, wanted: Collection[bytes], outcome: Outcome) -> Iterator[tuple[Root, bytes]]:
    """Yield the folders with photos or sidecars below `wanted`, each once; roots that are offline are reported."""
    for root in store.roots.all():
        inside = {paths.relative(root.path, each) for each in wanted} - {None}
        inside |= {b""} if any(paths.relative(each, root.path) is not None for each in wanted) else set()
        if inside and not root.online:
            outcome.problems.append(
                f"{os.fsdecode(root.path)} is offline: {root.reason or 'it is not available'}"
            )
            continue
        found: set[bytes] = set()
        for folder in inside - {None}:
            assert folder is not None
            found |= store.photos.known_folders(root.id, folder) | store.sidecars.folders(root.id, folder)
        for folder in sorted(found):
            yield root, folder


class _Folder:
    """One folder of a root, and its sidecars."""

    def __init__(
        self, root: Root, folder: bytes, target: Target, outcome: Outcome, on_change: Callable[[bytes], None]
    ) -> None:
        self._root, self._folder, self._target = root, folder, target
        self._outcome, self._on_change = outcome, on_change
        self._path = os.path.join(target.base(root), folder) if folder else target.base(root)

    def change(self, changes: Callable[[Collection[bytes]], Iterable[tuple[bytes, Change]]]) -> None:
        """Change sidecars of the folder; `changes` yields their names, given those of all files there."""
        try:
            if disk_calls.is_stuck(self._root.path, self._path):
                raise NotResponding(self._path)
            DiskCall(self._root.path, self._path, lambda call: self._run(call, changes)).result()
        except NotResponding as error:
            self._outcome.problems.append(error.advice)
        except OSError as error:
            if error.errno in _FULL:
                raise ImgretError(
                    f"{os.fsdecode(self._path)}: the disk is full",
                    "Free some space and run the command again: what is written stays.",
                ) from None
            self._outcome.problems.append(f"{os.fsdecode(self._path)} cannot be read: {error.strerror}")

    def _run(
        self,
        call: DiskCall[None],
        changes: Callable[[Collection[bytes]], Iterable[tuple[bytes, Change]]],
    ) -> None:
        base = self._target.base(self._root)
        if self._target.mirror is not None and not os.path.isdir(self._path):
            if self._target.dry_run:
                for name, make in changes(()):
                    self._change_one(None, name, make, frozenset())
                return
            if all(make(None, 0) is None for _, make in changes(())):
                return  # nothing to write: no empty folder
            try:
                replace_file.make_folders(self._path, self._target.umask)
            except OSError as error:
                if error.errno in _FULL:
                    raise
                self._outcome.problems.append(f"{os.fsdecode(self._path)} cannot be made: {error.strerror}")
                return
        with Descent(base) as descent:
            opened = descent.folder(self._folder)
            present = frozenset(map(os.fsencode, os.listdir(opened)))
            if not self._target.dry_run:
                replace_file.remove_left(opened, present)
            refused: OSError | None = None
            for name, make in changes(present):
                call.touch()
                try:
                    self._change_one(opened, name, make, present)
                except OSError as error:
                    if error.errno in _FULL:
                        raise
                    self._outcome.left += 1
                    if error.errno in _NOT_WRITABLE:
                        refused = error
                    else:  # such as a name that is too long for this file system
                        path = os.fsdecode(os.path.join(self._path, name))
                        self._outcome.problems.append(f"{path} cannot be written: {error.strerror}")
            if refused is not None:
                self._outcome.problems.append(
                    f"{os.fsdecode(self._path)} is not writable ({refused.strerror}), so its sidecars are left as they"
                    " are; `--to DIR` writes to another folder"
                )

    def _change_one(self, folder: int | None, name: bytes, make: Change, present: Collection[bytes]) -> None:
        path = os.path.join(self._path, name)
        try:
            data, status = None, None
            if folder is not None and name in present:
                with contextlib.suppress(FileNotFoundError):
                    data, status = replace_file.read(folder, name)
            new = make(data, int(status.st_mtime) if status else 0)
            if new == data:
                self._outcome.unchanged += new is not None
                return
            if not self._target.dry_run and folder is not None:
                if new is not None:
                    replace_file.write(folder, name, new, status, self._target.umask)
                else:
                    replace_file.check_unchanged(folder, name, status)
                    os.unlink(name, dir_fd=folder)
        except (XmpError, replace_file.Refused) as error:
            self._outcome.left += 1
            left = ", so it is left as it is" if isinstance(error, XmpError) else ""
            self._outcome.problems.append(f"{os.fsdecode(path)} {error}{left}")
            return
        self._outcome.written += new is not None
        self._outcome.deleted += new is None
        self._on_change(path)
