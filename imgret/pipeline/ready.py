"""The queue of photos that wait for a model: decoded ones, and those that need no decoding.

The describing threads and the caller's thread share it, so it has a lock.
"""

from __future__ import annotations

from threading import Condition

from imgret.pipeline.jobs import Draft

TEXTS_PER_PHOTO = 4  # photos without pixels taken per photo with pixels, because they need far less memory
PER_OTHER = 3  # drafts taken first for each other that waits


class _Line:
    """A queue in which drafts with a greater precedence come first, and have batches almost to themselves.

    On a processor each photo makes a batch longer. But for PER_OTHER drafts that were taken first, one other is taken, so
    that none waits for ever.
    """

    def __init__(self) -> None:
        self._drafts: list[Draft] = []
        self._ahead = 0  # drafts taken before others that wait

    def __len__(self) -> int:
        return len(self._drafts)

    @property
    def precedence(self) -> int:
        """The greatest of the drafts; -1 if there are none."""
        return max((draft.precedence for draft in self._drafts), default=-1)

    def append(self, draft: Draft) -> None:
        self._drafts.append(draft)

    def take(self, most: int) -> list[Draft]:
        """Remove and return at most `most` drafts: the oldest of the greatest precedence, and the oldest others if it is their turn."""
        greatest = self.precedence
        first: list[Draft] = []
        others: list[Draft] = []
        for draft in self._drafts:  # another thread may raise the precedence of a draft meanwhile
            (first if draft.precedence >= greatest else others).append(draft)
        others_taken = others[: min(self._ahead // PER_OTHER, most)]
        taken = first[: most - len(others_taken)] + others_taken
        self._ahead += len(taken) - len(others_taken) * (1 + PER_OTHER)
        if len(others) == len(others_taken):
            self._ahead = 0
        chosen = {id(draft) for draft in taken}
        self._drafts = [draft for draft in self._drafts if id(draft) not in chosen]
        return taken

    def clear(self) -> None:
        self._drafts.clear()


class Ready:
    """Drafts between the decoder and the models. `close` ends every `take` at once."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._with_pixels = _Line()
        self._texts = _Line()  # without pixels: they never wait for images
        self._expected = 0  # images that are being decoded
        self._describing = 0
        self._bytes = 0
        self._texts_alone = 0  # batches in a row without images
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
                images = [] if self._are_texts_alone() else self._with_pixels.take(photos)
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

    def _are_texts_alone(self) -> bool:
        """Texts with a greater precedence do not wait for the images of a batch, but for PER_OTHER batches of texts there is one."""
        alone = self._texts.precedence > self._with_pixels.precedence and self._texts_alone < PER_OTHER
        self._texts_alone = self._texts_alone + 1 if alone else 0
        return alone

    def _full(self, photos: int) -> bool:
        return self._closed or bool(self._texts) or len(self._with_pixels) >= photos or self._expected <= 0
