"""Search with a photo: its copies in the index, found by hashes, and its vector, which finds similar photos.

A file without a copy in the index is decoded and embedded by the image encoder; nothing else is loaded, and
nothing of it is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from imgret import disk_calls
from imgret.config import Settings
from imgret.decode.decoder_handle import Decoded
from imgret.decode.hashing import content_hash
from imgret.decode.pool import DecodePool
from imgret.errors import UsageError
from imgret.search import looks
from imgret.stages.interface import Item, Result
from imgret.store.interface import Store
from imgret.store.records import IMAGE, TEXT, Space

if TYPE_CHECKING:
    from imgret.pipeline.models import Models


MOST_ALIKE = 200  # of a series of hundreds of nearly equal shots, the vector finds the others


class Likeness(NamedTuple):
    """What to look for."""

    vector: NDArray[np.float32] | None  # (dimension,), unit norm; None if only copies can be found
    content: int | None  # the content of the given picture, if the index has that very file
    copies: tuple[int, ...] = ()  # contents with the same bytes or the same pixels; without `content`
    alike: tuple[int, ...] = ()  # contents that look the same: re-encoded, resized, turned; the likest first
    others: Mapping[str, NDArray[np.float32]] = MappingProxyType({})  # vectors in the spaces of other stages


def likeness(
    store: Store,
    path: bytes,
    models: Callable[[Collection[str]], Models],
    settings: Settings,
) -> Likeness:
    """The likeness of the file at an absolute path. `models` gives the models of stages; it is called with the image
    stage alone, and only for a picture of which no copy is known or has a vector.

    Raises PhotoError for a file that is no picture, UsageError where no model can compare it.
    """
    own = _indexed(store, path)
    copies = store.contents.copies(content=own)
    if own is None:
        copies = store.contents.copies(hash_=content_hash(path))
    decoded = None
    if own is None and not copies:
        decoded = _decoded(path, settings)
        copies = store.contents.copies(pixels=decoded.pixel_hash)
    known = [content for content in (own, *copies) if content is not None]
    look = decoded.signature if decoded else store.contents.look(known[0])
    alike = [content for content in looking_alike(store, look) if content not in known] if look else []
    found = {space.stage: _vector(store, space, [*known, *alike]) for space in store.vectors.active_spaces()}
    vectors = {stage: vector for stage, vector in found.items() if vector is not None}
    vector = vectors.pop(TEXT, None)
    if vector is None and not vectors and not copies and not alike:
        vectors = {IMAGE: _embedded(store, decoded or _decoded(path, settings), models)}
    return Likeness(vector, own, tuple(copies), tuple(alike), vectors)


def looking_alike(store: Store, look: bytes) -> list[int]:
    """The living contents that look like a picture with this perceptual hash, in any orientation, the likest first.

    `MOST_ALIKE` at most. Every hash is compared: 100,000 take 30 to 50 ms of a processor.
    """
    one = looks.packed(look)
    found: list[tuple[NDArray[np.int64], NDArray[np.float32]]] = []
    for many in store.signatures.all():
        rows, cosines = looks.alike(one, many, lenient=True)
        if len(rows):
            found.append((many.contents[rows], cosines))
    if not found:
        return []
    contents, cosines = (np.concatenate(part) for part in zip(*found, strict=True))
    contents = contents[np.argsort(-cosines, kind="stable")]
    return [int(content) for content in contents[store.filters.living(contents)][:MOST_ALIKE]]


def near_duplicates(store: Store, content: int | None) -> list[bytes]:
    """The paths of other contents that show the same picture as a content, the most similar ones first."""
    look = store.contents.look(content) if content is not None else None
    found = looking_alike(store, look) if look else []
    return [photo.path for other in found if other != content for photo in store.photos.paths(other)]


def _indexed(store: Store, path: bytes) -> int | None:
    """The content of the living photo at this path, or where its symbolic links lead."""
    for place in dict.fromkeys((path, disk_calls.resolved(path))):
        photo = store.photos.find(place)
        if photo is not None and photo.content is not None and photo.gone_at is None:
            return photo.content
    return None


def _vector(store: Store, space: Space, contents: Sequence[int]) -> NDArray[np.float32] | None:
    """The leading vector of the first of these contents that has one in this space, unit norm."""
    if not contents:
        return None
    for row in store.vectors.of(space, np.array(contents), [space.lead])[space.lead]:
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


def _embedded(
    store: Store, decoded: Decoded, models: Callable[[Collection[str]], Models]
) -> NDArray[np.float32]:
    """The vector of a picture in the image space. Raises UsageError where there is none, or no encoder that fits it."""
    unknown = "that picture is not in the index, and neither is a copy of it"
    space = store.vectors.active_space(IMAGE)
    if space is None:
        raise UsageError(
            f"{unknown}; to find photos that look like it, the index needs image vectors",
            "Run `imgret models pull image` and `imgret index`, or search with an indexed photo.",
        )
    loaded = models([IMAGE])
    model = loaded.get(IMAGE)
    if model is None:
        raise UsageError(
            f"{unknown}; the image encoder cannot be loaded: {loaded.missing.get(IMAGE, 'it is switched off')}",
            "Search with an indexed photo.",
        )
    if model.identity != space.identity:
        raise UsageError(
            f"{unknown}; the image vectors are still those of {space.identity.name}, not of {model.identity.name}",
            "`imgret index` computes them again. Search with an indexed photo.",
        )
    (result,) = model.run([Item(decoded.pixels)])
    if not isinstance(result, Result):
        raise UsageError(f"{unknown}; the image encoder failed on it: {result}")
    vector = np.asarray(result.vectors[space.lead], np.float32)
    if vector.shape != (space.dimension,) or not np.isfinite(vector).all():
        raise UsageError(f"{unknown}; the image encoder gave no usable vector for it")
    return vector
