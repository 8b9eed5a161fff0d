"""A photo's pixels for the screen: small from the desktop's thumbnail cache, large from the file itself.

Files are decoded in processes that may crash, those of the cache too: any program writes there. Decoders are started with the first picture, so that a
list without pictures costs none.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, cast

from imgret.errors import PhotoError

if TYPE_CHECKING:
    from imgret import thumbnails
    from imgret.decode.pool import DecodePool
    from imgret.terminal.fit import Pixels
    from imgret.thumbnails import Decoder

PREVIEW_SIDE = 1280  # pixels; the longer side of what a preview is scaled from
SECONDS = 15.0  # for one file: longer than that nobody looks at a picture
WORKERS = 2


class Loader:
    """Pixels (height, width, 3) by path. Blocks; raises PhotoError. Any thread may call it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pool: DecodePool | None = None
        self._closed = False

    def preview(self, path: bytes) -> Pixels:
        """The photo, upright, its longer side at most `PREVIEW_SIDE`."""
        return self._decoders().submit(path).result().pixels

    def thumbnail(self, path: bytes, side: int) -> Pixels:
        """The photo in small, from the cache or made now; its longer side about `side` pixels or more."""
        from imgret import thumbnails

        size = thumbnails.Size.LARGE if side <= thumbnails.Size.LARGE else thumbnails.Size.X_LARGE
        try:
            place = self._small(path, size)
            try:
                return self.preview(place)
            except PhotoError:  # what another program left in the cache cannot be shown: make it again
                return self.preview(self._small(path, size, anew=True))
        except OSError:  # a cache that cannot be written, or that another program has just cleared
            return self.preview(path)

    def _small(self, path: bytes, size: thumbnails.Size, *, anew: bool = False) -> bytes:
        from imgret import thumbnails

        place = thumbnails.obtain(path, size, cast("Decoder", self._decoders()), anew=anew)
        if place is None:
            raise PhotoError("it cannot be decoded" if os.path.exists(path) else "it is gone")
        return place

    def close(self) -> None:
        """Stop the decoders."""
        with self._lock:
            self._closed = True
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.close()

    def _decoders(self) -> DecodePool:
        from imgret.decode.pool import DecodePool

        with self._lock:
            if self._closed:
                raise PhotoError("the program is ending", transient=True)
            if self._pool is None:
                self._pool = DecodePool(WORKERS, seconds=SECONDS, side=PREVIEW_SIDE)
            return self._pool
