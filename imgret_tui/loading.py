"""A photo's pixels for the screen: small from the desktop's thumbnail cache, large from the file itself.

Files are decoded in processes that may crash. Decoders are started with the first picture, so that a
list without pictures costs none.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imgret.describe.decode import DecodePool
    from imgret.terminal.fit import Pixels

PREVIEW_SIDE = 1280  # pixels; the longer side of what a preview is scaled from
SECONDS = 15.0  # for one file: longer than that nobody looks at a picture
WORKERS = 2


class Loader:
    """Pixels (height, width, 3) by path. Blocks; raises PhotoError. Any thread may call it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pool: DecodePool | None = None

    def preview(self, path: bytes) -> Pixels:
        """The photo, upright, its longer side at most `PREVIEW_SIDE`."""
        return self._decoders().submit(path).result().pixels

    def thumbnail(self, path: bytes) -> Pixels:
        """The photo in small."""
        return self.preview(path)

    def close(self) -> None:
        """Stop the decoders."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.close()

    def _decoders(self) -> DecodePool:
        from imgret.describe.decode import DecodePool

        with self._lock:
            if self._pool is None:
                self._pool = DecodePool(WORKERS, seconds=SECONDS, side=PREVIEW_SIDE)
            return self._pool
