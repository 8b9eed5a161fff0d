"""Small images of photos, in their order, with few of them in memory at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from imgret.decode.pool import DecodePool
from imgret.errors import PhotoError

if TYPE_CHECKING:
    from concurrent.futures import Future

    from imgret.decode.decoder_handle import Decoded
    from imgret.terminal.fit import Pixels

WORKERS = 2  # decoder processes
AHEAD = 16  # images that are decoded before they are taken


def small_images(paths: Iterable[bytes], side: int) -> Iterator[Pixels | PhotoError]:
    """Yield each photo as (height, width, 3), uint8, upright, its longer side at most `side` pixels.

    In place of a photo that cannot be decoded, yield the reason. Raises ImgretError if no decoder can be started.
    """
    pending: deque[Future[Decoded]] = deque()
    with DecodePool(WORKERS, side=side) as pool:
        for path in paths:
            pending.append(pool.submit(path))
            if len(pending) > AHEAD:
                yield _outcome(pending.popleft())
        while pending:
            yield _outcome(pending.popleft())


def _outcome(image: Future[Decoded]) -> Pixels | PhotoError:
    try:
        return image.result().pixels
    except PhotoError as error:
        return error
