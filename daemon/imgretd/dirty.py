"""The set of dirty folders, and when each is ripe to be scanned. Pure: the time is an argument.

A folder is handed out once nothing has happened in it for `quiet` seconds, so that a burst costs one scan;
or once it has been dirty for `longest` seconds, so that a folder that is never quiet is scanned all the same.
"""

from __future__ import annotations

from typing import NamedTuple

QUIET_SECONDS = 0.3
LONGEST_SECONDS = 5.0
# Above this many, one scan of the whole tree costs less than keeping count.
MOST_FOLDERS = 20_000


class Ripe(NamedTuple):
    """What to scan now: whole trees, and single folders (none of them in one of those trees)."""

    trees: frozenset[bytes]
    folders: frozenset[bytes]

    def __bool__(self) -> bool:
        return bool(self.trees or self.folders)


class DirtyFolders:
    """Collects folders and trees; gives each out once, when it is ripe. The caller locks."""

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
        self._later: dict[bytes, float] = {}  # folder -> when to look again, whatever happens until then

    def __len__(self) -> int:
        return len(self._folders) + len(self._trees) + len(self._later)

    @property
    def active(self) -> bool:
        """Has something happened that was not handed out? (Looking again later is not something.)"""
        return bool(self._folders or self._trees)

    @property
    def trees(self) -> list[bytes]:
        """The trees that were not handed out yet."""
        return list(self._trees)

    def touch(self, folder: bytes, root: bytes, now: float) -> None:
        """Something happened in `folder` of `root` at `now`."""
        _touch(self._folders, folder, now)
        if len(self._folders) > self._most:
            since = min(since for since, _ in self._folders.values())
            for path in [path for path in self._folders if is_in(path, root)]:
                del self._folders[path]
            self._trees[root] = (min(since, self._trees.get(root, (since, now))[0]), now)

    def look_later(self, folder: bytes, at: float) -> None:
        """Scan `folder` at `at` once more; what happens there in between does not wait for it."""
        self._later[folder] = max(at, self._later.get(folder, at))

    def touch_tree(self, root: bytes, now: float) -> None:
        """Anything below `root` may have changed."""
        _touch(self._trees, root, now)

    def forget(self, root: bytes) -> None:
        """`root` is not watched any more."""
        for path in [path for path in self._folders if is_in(path, root)]:
            del self._folders[path]
        for path in [path for path in self._later if is_in(path, root)]:
            del self._later[path]
        self._trees.pop(root, None)

    def due(self) -> float | None:
        """When the next one will be ripe if nothing else happens; None when there is none."""
        kept = [*self._folders.values(), *self._trees.values()]
        return min([*(self._ripens(*times) for times in kept), *self._later.values()], default=None)

    def take(self, now: float) -> Ripe:
        """Everything that is ripe at `now`; it is not dirty any more."""
        trees = {path for path, times in self._trees.items() if self._ripens(*times) <= now}
        folders = {path for path, times in self._folders.items() if self._ripens(*times) <= now}
        later = {path for path, at in self._later.items() if at <= now}
        for path in trees:
            del self._trees[path]
        for path in later:
            del self._later[path]
        # A folder of a tree that is handed out now is scanned with it, ripe or not.
        inside = {path for path in self._folders if any(is_in(path, tree) for tree in trees)}
        for path in folders | inside:
            del self._folders[path]
        outside = {path for path in later if not any(is_in(path, tree) for tree in trees)}
        return Ripe(frozenset(trees), frozenset((folders - inside) | outside))

    def _ripens(self, since: float, touched: float) -> float:
        return min(touched + self._quiet, since + self._longest)


def is_in(path: bytes, tree: bytes) -> bool:
    """Is `path` the folder `tree` itself or somewhere below it?"""
    return path == tree or path.startswith(tree.rstrip(b"/") + b"/")


def _touch(kept: dict[bytes, tuple[float, float]], path: bytes, now: float) -> None:
    since, touched = kept.get(path, (now, now))
    kept[path] = (min(since, now), max(touched, now))
