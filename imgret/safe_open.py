"""Opens folders below a root by descriptor, one name at a time, and never through a symlink.

A folder that is swapped for a symlink while it is read is not followed, and a path may be longer than the
system's limit for one (PATH_MAX).
"""

from __future__ import annotations

import os
from types import TracebackType

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_MOST_OPEN = 32  # ancestors kept open, so that neighbours are opened quickly


class Descent:
    """A context manager for one thread. Neighbouring folders share the descriptors of what lies above them."""

    def __init__(self, root: bytes) -> None:
        """`root` itself may be a symlink. Raises OSError."""
        self._root = os.open(root, _FOLDER)
        self._open: list[tuple[bytes, int]] = []
        self._deepest = -1  # the folder asked for last, where it lies deeper than _MOST_OPEN

    def folder(self, folder: bytes) -> int:
        """The descriptor of `folder`, relative to the root; it is valid until the next call.

        Raises OSError: NotADirectoryError if one of its names is a symlink.
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
