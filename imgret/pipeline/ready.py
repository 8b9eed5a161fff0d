"""The queue of photos that wait for a model: decoded ones, and those that need no decoding.

The describing threads and the caller's thread share it, so it has a lock.
"""

from __future__ import annotations

from collections import deque
from threading import Condition

from imgret.pipeline.jobs import Draft

TEXTS_PER_PHOTO = 4  # photos without pixels taken per photo with pixels, because they need far less memory


class _Line:
    """A queue in which urgent drafts come first."""

    def __init__(self) -> None:
        self._urgent: deque[Draft] = deque()
        self._others: deque[Draft] = deque()

    def __len__(self) -> int:
        return len(self._urgent) + len(self._others)

    def append(self, draft: Draft) -> None:
        (self._urgent if draft.job.urgent else self._others).append(draft)

    def take(self, most: int) -> list[Draft]:
        """Remove and return the first drafts, at most `most`."""
        return [(self._urgent or self._others).popleft() for _ in range(min(most, len(self)))]

    def clear(self) -> None:
        self._urgent.clear()
        self._others.clear()


class Ready:
    """Drafts between the decoder and the models. `close` ends every `take` at once."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._with_pixels = _Line()
        self._texts = _Line()  # without pixels: they never wait for images
        self._expected = 0  # images that are being decoded
        self._describing = 0
        self._bytes = 0
        self._closed = False

    def counts(self) -> tuple[int, int]:
        """Return how many drafts wait, and how many are being described."""
        with self._changed:
            return len(self._with_pixels) + len(self._texts), self._describing

    @property
    def pixel_bytes(self) -> int:
        """The size in bytes of the waiting images."""
        with self._changed:
            return self._bytes

    def expect(self, images: int) -> None:
        """Change the number of images being decoded: positive when decoding starts, negative when it ends."""
        with self._changed:
            self._expected += images
            self._changed.notify_all()

    def offer(self, draft: Draft) -> None:
        """Add a draft that can be described now."""
        with self._changed:
            if draft.pixels is None:
                self._texts.append(draft)
            else:
                self._with_pixels.append(draft)
                self._bytes += draft.pixels.nbytes
            self._changed.notify_all()

    def take(self, photos: int, linger: float) -> list[Draft] | None:
        """Take waiting drafts: at most `photos` with pixels, and TEXTS_PER_PHOTO times as many without.

        Waits for the first draft, then at most `linger` seconds for a full batch, and not at all if nothing is being
        decoded. Returns None once closed.
        """
        with self._changed:
            while not self._closed:
                self._changed.wait_for(lambda: self._closed or self._with_pixels or self._texts)
                self._changed.wait_for(lambda: self._full(photos), linger)
                images = self._with_pixels.take(photos)
                texts = self._texts.take(photos * TEXTS_PER_PHOTO)
                self._bytes -= sum(draft.pixels.nbytes for draft in images if draft.pixels is not None)
                self._describing += len(images) + len(texts)
                if images or texts:
                    return images + texts
            return None

    def done(self, photos: int) -> None:
        """Report that `photos` drafts are described."""
        with self._changed:
            self._describing -= photos

    def close(self) -> None:
        """End describing, and drop the waiting drafts."""
        with self._changed:
            self._closed = True
            self._with_pixels.clear()
            self._texts.clear()
            self._bytes = 0
            self._changed.notify_all()

    def _full(self, photos: int) -> bool:
        return self._closed or bool(self._texts) or len(self._with_pixels) >= photos or self._expected <= 0
