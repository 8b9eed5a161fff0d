"""The set of dirty folders, and the times when they are due to be scanned. Uses no clock: the time is an argument.

A folder is due when nothing has happened in it for `quiet` seconds, so that a burst of changes causes one scan, or when
it has been dirty for `longest` seconds, so that a folder that changes all the time is scanned as well.
"""

from __future__ import annotations

from typing import NamedTuple

QUIET_SECONDS = 0.3
LONGEST_SECONDS = 5.0
# Above this number, scanning the whole tree is cheaper than tracking its folders.
MOST_FOLDERS = 20_000


class DueFolders(NamedTuple):
    """What to scan now: whole trees, and single folders (none of them in one of those trees)."""

    trees: frozenset[bytes]
    folders: frozenset[bytes]

    def __bool__(self) -> bool:
        return bool(self.trees or self.folders)


class DirtyFolders:
    """Collects dirty folders and trees, and returns each once when it is due. Not thread-safe."""

    def __init__(
        self,
        quiet: float = QUIET_SECONDS,
        longest: float = LONGEST_SECONDS,
        most: int = MOST_FOLDERS,
    ) -> None:
        self._quiet = quiet
        self._longest = longest
        self._most = most
        self._folders: dict[bytes, tuple[float, float]] = {}  # -> dirty since, last touched
        self._trees: dict[bytes, tuple[float, float]] = {}
        self._later: dict[bytes, float] = {}  # folder -> when to scan it again in any case

    def __len__(self) -> int:
        return len(self._folders) + len(self._trees) + len(self._later)

    @property
    def active(self) -> bool:
        """Return whether a folder is dirty; folders scheduled by `scan_later` do not count."""
        return bool(self._folders or self._trees)

    @property
    def trees(self) -> list[bytes]:
        """Return the dirty trees."""
        return list(self._trees)

    def touch(self, folder: bytes, root: bytes, now: float) -> None:
        """Mark `folder` in `root` as dirty at the time `now`."""
        _touch(self._folders, folder, now)
        if len(self._folders) > self._most:
            since = min(since for since, _ in self._folders.values())
            for path in [path for path in self._folders if is_in(path, root)]:
                del self._folders[path]
            self._trees[root] = (min(since, self._trees.get(root, (since, now))[0]), now)

    def scan_later(self, folder: bytes, at: float) -> None:
        """Scan `folder` again at the time `at`; changes until then are scanned without waiting for it."""
        self._later[folder] = max(at, self._later.get(folder, at))

    def touch_tree(self, root: bytes, now: float) -> None:
        """Mark everything below `root` as dirty at the time `now`."""
        _touch(self._trees, root, now)

    def due(self) -> float | None:
        """Return when the next folder is due if nothing else happens; None if there is none."""
        kept = [*self._folders.values(), *self._trees.values()]
        return min([*(self._due_at(*times) for times in kept), *self._later.values()], default=None)

    def take(self, now: float) -> DueFolders:
        """Return everything that is due at `now`; it is no longer dirty."""
        trees = {path for path, times in self._trees.items() if self._due_at(*times) <= now}
        folders = {path for path, times in self._folders.items() if self._due_at(*times) <= now}
        later = {path for path, at in self._later.items() if at <= now}
        for path in trees:
            del self._trees[path]
        for path in later:
            del self._later[path]
        # A folder inside a returned tree is scanned with it, whether it is due or not.
        inside = {path for path in self._folders if any(is_in(path, tree) for tree in trees)}
        for path in folders | inside:
            del self._folders[path]
        outside = {path for path in later if not any(is_in(path, tree) for tree in trees)}
        return DueFolders(frozenset(trees), frozenset((folders - inside) | outside))

    def _due_at(self, since: float, touched: float) -> float:
        return min(touched + self._quiet, since + self._longest)


def is_in(path: bytes, tree: bytes) -> bool:
    """Return whether `path` is the folder `tree` or below it."""
    return path == tree or path.startswith(tree.rstrip(b"/") + b"/")


def _touch(kept: dict[bytes, tuple[float, float]], path: bytes, now: float) -> None:
    since, touched = kept.get(path, (now, now))
    kept[path] = (min(since, now), max(touched, now))
