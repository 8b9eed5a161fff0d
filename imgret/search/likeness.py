"""A picture as a question: its copies in the index, found by hashes, and the vector to look for others with.

A file of which the index knows no copy is described as a photo would be, by the same models, and nothing of
it is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from imgret import diskcalls
from imgret.config import Settings
from imgret.describe.decode import Decoded, DecodePool
from imgret.describe.fingerprint import content_hash
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

    vector: NDArray[np.float32] | None  # (dimension,), unit norm; None where only copies can be told
    content: int | None  # the photo that was asked with, when the index has that very file
    copies: tuple[int, ...] = ()  # contents that show the same picture, the likest first; without `content`


def likeness(
    index: Index,
    path: bytes,
    asker: Callable[[], Asker | None],
    models: Callable[[], Models],
    settings: Settings,
) -> Likeness:
    """The likeness of the file at an absolute path. `models` gives the captioner and the detector, and
    `asker` the embedder, each only for a picture of which no copy has a vector.

    Raises PhotoError for a file that is no picture, UsageError where no model can describe it.
    """
    own = _indexed(index, path)
    copies = photos.copies(index, content=own)
    if own is None:
        copies = photos.copies(index, hash_=content_hash(path))
    decoded = None
    if own is None and not copies:
        decoded = _decoded(path, settings)
        copies = photos.copies(index, pixels=decoded.pixel_hash) or looking_alike(index, decoded)
    vector = _vector(index, [content for content in (own, *copies) if content is not None])
    if vector is None and not copies:
        vector = _described_vector(decoded or _decoded(path, settings), asker, models)
    return Likeness(vector, own, tuple(copies))


def looking_alike(_: Index, __: Decoded) -> list[int]:
    """The contents that look like a decoded picture though their pixels differ, the likest first.

    The place for a perceptual hash: it is asked when neither the bytes nor the pixels are known.
    """
    return []


def _indexed(index: Index, path: bytes) -> int | None:
    """The content of the living photo at this path, or where its symbolic links lead."""
    for place in dict.fromkeys((path, diskcalls.resolved(path))):
        photo = photos.find(index, place)
        if photo is not None and photo.content is not None and photo.gone_at is None:
            return photo.content
    return None


def _vector(index: Index, contents: Sequence[int]) -> NDArray[np.float32] | None:
    """The leading view of the first of these contents that has one, unit norm."""
    if not contents:
        return None
    for row in vectors.of(index, np.array(contents), [View.PASSAGE])[View.PASSAGE]:
        if not np.isnan(row).any():
            return np.asarray(row / np.float32(np.linalg.norm(row)), np.float32)
    return None


def _decoded(path: bytes, settings: Settings) -> Decoded:
    pool = DecodePool(
        1,
        memory_mb=settings.decode_memory_mb,
        seconds=settings.decode_seconds,
        max_megapixels=settings.max_megapixels,
    )
    with pool:
        return pool.submit(path).result()


def _described_vector(
    decoded: Decoded, asker: Callable[[], Asker | None], models: Callable[[], Models]
) -> NDArray[np.float32]:
    """The vector of what the models say of a picture."""
    loaded = models()
    caption = loaded.caption.caption([decoded.pixels])[0] if loaded.caption else ""
    objects = counts(loaded.detect.detect([decoded.pixels])[0]) if loaded.detect else {}
    text = passage(caption, objects) if caption or objects else ""
    embedder = asker() if text else None
    if embedder is None:
        raise UsageError(
            "that picture is not in the index, and there is no model here that can describe it",
            "Run `imgret models pull`, or ask with a photo that is indexed.",
        )
    return np.asarray(embedder.vectors([text])[0], np.float32)
