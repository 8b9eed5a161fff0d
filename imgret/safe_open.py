"""Open folders below a root by descriptor, one path component at a time, without following symlinks.

A folder that is replaced by a symlink during a scan is not followed, and paths may be longer than PATH_MAX.
"""

from __future__ import annotations

import os
from types import TracebackType

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_MOST_OPEN = 32  # ancestors kept open, which makes opening sibling folders fast


class Descent:
    """A context manager for one thread that opens folders and keeps the descriptors of their ancestors."""

    def __init__(self, root: bytes) -> None:
        """Open `root`, which itself may be a symlink. Raises OSError."""
        self._root = os.open(root, _FOLDER)
        self._open: list[tuple[bytes, int]] = []
        self._deepest = -1  # the folder opened last, if it is deeper than _MOST_OPEN

    def folder(self, folder: bytes) -> int:
        """Return a descriptor of `folder` (relative to the root) that is valid until the next call.

        Raises OSError; NotADirectoryError if a component of the path is a symlink.
        """
        self._close_deepest()
        names = folder.split(b"/") if folder else []
        same = 0
        while same < min(len(names), len(self._open)) and self._open[same][0] == names[same]:
            same += 1
        while len(self._open) > same:
            os.close(self._open.pop()[1])
        at = self._open[-1][1] if self._open else self._root
        for name in names[same:]:
            at = os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=at)
            if len(self._open) < _MOST_OPEN:
                self._open.append((name, at))
            else:
                self._close_deepest()
                self._deepest = at
        return at

    def close(self) -> None:
        """Close every descriptor."""
        self._close_deepest()
        for _, fd in self._open:
            os.close(fd)
        self._open.clear()
        os.close(self._root)

    def __enter__(self) -> Descent:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _close_deepest(self) -> None:
        if self._deepest >= 0:
            os.close(self._deepest)
            self._deepest = -1
