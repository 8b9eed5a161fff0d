"""What waits for a model: photos that are decoded, and those that need no decoding.

The one place where the describing threads meet the caller's thread, so the one place with a lock.
"""

from __future__ import annotations

from collections import deque
from threading import Condition

from imgret.pipeline.jobs import Draft

TEXTS_PER_PHOTO = 4  # photos without pixels that are taken for each photo with them: they need far less


class Ready:
    """Drafts between the decoder and the models. `close` ends every `take`, at once."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._pictures: deque[Draft] = deque()
        self._texts: deque[Draft] = deque()  # nothing to look at: they never wait for a picture
        self._expected = 0  # pictures that are being decoded
        self._describing = 0
        self._bytes = 0
        self._closed = False

    def counts(self) -> tuple[int, int]:
        """How many wait, and how many are being described."""
        with self._changed:
            return len(self._pictures) + len(self._texts), self._describing

    @property
    def pixel_bytes(self) -> int:
        """The size of the pictures that wait."""
        with self._changed:
            return self._bytes

    def expect(self, pictures: int) -> None:
        """So many more pictures are being decoded (negative: so many came to nothing, or were offered)."""
        with self._changed:
            self._expected += pictures
            self._changed.notify_all()

    def offer(self, draft: Draft) -> None:
        """This one can be described now."""
        with self._changed:
            if draft.pixels is None:
                self._texts.append(draft)
            else:
                self._pictures.append(draft)
                self._bytes += draft.pixels.nbytes
            self._changed.notify_all()

    def take(self, photos: int, linger: float) -> list[Draft] | None:
        """What waits, at most a batch of `photos` and the texts for it. `None` once closed.

        Waits for the first; for the rest no longer than `linger` seconds, and not at all when nothing else is
        being decoded.
        """
        with self._changed:
            while not self._closed:
                self._changed.wait_for(lambda: self._closed or self._pictures or self._texts)
                self._changed.wait_for(lambda: self._full(photos), linger)
                pictures = [self._pictures.popleft() for _ in range(min(photos, len(self._pictures)))]
                texts = [
                    self._texts.popleft() for _ in range(min(photos * TEXTS_PER_PHOTO, len(self._texts)))
                ]
                self._bytes -= sum(draft.pixels.nbytes for draft in pictures if draft.pixels is not None)
                self._describing += len(pictures) + len(texts)
                if pictures or texts:
                    return pictures + texts
            return None

    def done(self, photos: int) -> None:
        """So many are described."""
        with self._changed:
            self._describing -= photos

    def close(self) -> None:
        """Nobody describes any more; what waits is dropped."""
        with self._changed:
            self._closed = True
            self._pictures.clear()
            self._texts.clear()
            self._bytes = 0
            self._changed.notify_all()

    def _full(self, photos: int) -> bool:
        return self._closed or bool(self._texts) or len(self._pictures) >= photos or self._expected <= 0
