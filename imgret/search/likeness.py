"""A picture as a question: the vector of a photo of the index, or of any picture file.

A file that the index does not know is described as a photo would be, by the same models, and nothing of
it is kept.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from imgret.config import Settings
from imgret.describe.passage import counts, passage
from imgret.errors import UsageError
from imgret.index import photos, vectors
from imgret.index.connection import Index
from imgret.photo import View

if TYPE_CHECKING:
    from imgret.describe.models import Models
    from imgret.search.rank import Asker


class Likeness(NamedTuple):
    """What to look for."""

    vector: NDArray[np.float32]  # (dimension,), unit norm
    content: int | None  # the photo that it was taken from, when the index has it


def likeness(
    index: Index,
    path: bytes,
    asker: Callable[[], Asker | None],
    models: Callable[[], Models],
    settings: Settings,
) -> Likeness:
    """The likeness of the file at an absolute path. `models` gives the captioner and the detector, and
    `asker` the embedder, each only for a picture whose vector is not known.

    Raises PhotoError for a file that is no picture, UsageError where no model can describe it.
    """
    photo = photos.find(index, path)
    if photo is not None and photo.content is not None and photo.gone_at is None:
        vector = vectors.of(index, np.array([photo.content]), [View.PASSAGE])[View.PASSAGE][0]
        if not np.isnan(vector).any():
            return Likeness(vector / np.float32(np.linalg.norm(vector)), photo.content)
    text = _described(path, models, settings)
    embedder = asker() if text else None
    if embedder is None:
        raise UsageError(
            "that picture is not in the index, and there is no model here that can describe it",
            "Run `imgret models pull`, or ask with a photo that is indexed.",
        )
    return Likeness(embedder.vectors([text])[0], None)


def _described(path: bytes, models: Callable[[], Models], settings: Settings) -> str:
    """The passage of a picture; empty where no model has anything to say of it."""
    from imgret.describe.decode import DecodePool

    pool = DecodePool(
        1,
        memory_mb=settings.decode_memory_mb,
        seconds=settings.decode_seconds,
        max_megapixels=settings.max_megapixels,
    )
    with pool:
        pixels = pool.submit(path).result().pixels
    loaded = models()
    caption = loaded.caption.caption([pixels])[0] if loaded.caption else ""
    objects = counts(loaded.detect.detect([pixels])[0]) if loaded.detect else {}
    return passage(caption, objects) if caption or objects else ""
