"""Loads the pixels of a photo: small ones from the desktop's thumbnail cache, large ones from the file itself.

Files are decoded in processes that may crash, also those of the thumbnail cache, where any program can write.
The processes start with the first image, so that a list without images does not pay for them.
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

PREVIEW_SIDE = 1280  # pixels of the longer side from which a preview is scaled
ZOOM_SIDE = 6000  # as PREVIEW_SIDE, of a photo of which a part is shown
DECODE_SECONDS = 15.0  # for one file
DECODERS = 2  # processes


class ImageLoader:
    """Any thread may call it; each call blocks."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pool: DecodePool | None = None
        self._zoom_pool: DecodePool | None = None
        self._zoomed: tuple[bytes, Pixels] | None = None  # the photo that was zoomed last
        self._closed = False

    def preview(self, path: bytes) -> Pixels:
        """The upright photo as (height, width, 3), uint8, its longer side at most `PREVIEW_SIDE` pixels.

        Raises PhotoError if it cannot be decoded.
        """
        return self._decoders().submit(path).result().pixels

    def zoomed(self, path: bytes) -> Pixels:
        """As `preview`, with a longer side of at most `ZOOM_SIDE`. The last photo is kept."""
        from imgret.decode.pool import DecodePool

        with self._lock:
            if self._zoomed is not None and self._zoomed[0] == path:
                return self._zoomed[1]
            if self._closed:
                raise PhotoError("the program is ending", transient=True)
            if self._zoom_pool is None:
                self._zoom_pool = DecodePool(1, seconds=DECODE_SECONDS, side=ZOOM_SIDE)
            pool = self._zoom_pool
        pixels = pool.submit(path).result().pixels
        with self._lock:
            self._zoomed = path, pixels
        return pixels

    def forget(self, path: bytes) -> None:
        """The file at `path` has changed."""
        with self._lock:
            if self._zoomed is not None and self._zoomed[0] == path:
                self._zoomed = None

    def thumbnail(self, path: bytes, side: int) -> Pixels:
        """The photo from the thumbnail cache, which gets its thumbnail now if it has none.

        As `preview`, but the longer side has about `side` pixels or more. Raises PhotoError if it cannot be decoded.
        """
        from imgret import thumbnails

        size = thumbnails.Size.LARGE if side <= thumbnails.Size.LARGE else thumbnails.Size.X_LARGE
        try:
            cached = self._cached_thumbnail(path, size)
            try:
                return self.preview(cached)
            except PhotoError:  # another program left a damaged file in the cache
                return self.preview(self._cached_thumbnail(path, size, replace=True))
        except OSError:  # the cache cannot be written, or another program has just cleared it
            return self.preview(path)

    def close(self) -> None:
        """Stop the decoders. Calls that wait for them raise PhotoError."""
        with self._lock:
            self._closed = True
            pools = [self._pool, self._zoom_pool]
            self._pool = self._zoom_pool = self._zoomed = None
        for pool in pools:
            if pool is not None:
                pool.close()

    def _cached_thumbnail(self, path: bytes, size: thumbnails.Size, *, replace: bool = False) -> bytes:
        """The path of the thumbnail in the cache."""
        from imgret import thumbnails

        cached = thumbnails.get_or_create(path, size, cast("Decoder", self._decoders()), replace=replace)
        if cached is None:
            raise PhotoError("it cannot be decoded" if os.path.exists(path) else "the file no longer exists")
        return cached

    def _decoders(self) -> DecodePool:
        from imgret.decode.pool import DecodePool

        with self._lock:
            if self._closed:
                raise PhotoError("the program is ending", transient=True)
            if self._pool is None:
                self._pool = DecodePool(DECODERS, seconds=DECODE_SECONDS, side=PREVIEW_SIDE)
            return self._pool
