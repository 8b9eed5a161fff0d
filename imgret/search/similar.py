"""A picture as a question: its copies in the index, found by hashes and by how they look, and the vector to
look for others with.

A file of which the index knows no copy is described as a photo would be, by the same models, and nothing of
it is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from imgret import disk_calls
from imgret.config import Settings
from imgret.decode.decoder_handle import Decoded
from imgret.decode.hashing import content_hash
from imgret.decode.pool import DecodePool
from imgret.errors import UsageError
from imgret.search import looks
from imgret.stages import registry
from imgret.stages.interface import PIXELS, Item, Result
from imgret.stages.passage import views
from imgret.store.interface import Store
from imgret.store.records import TEXT, Space

if TYPE_CHECKING:
    from imgret.pipeline.models import Models
    from imgret.search.space_queries import SpaceEncoder


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
    encoder: Callable[[], SpaceEncoder | None],
    models: Callable[[Collection[str]], Models],
    settings: Settings,
) -> Likeness:
    """The likeness of the file at an absolute path. `models` gives the models of stages that describe a picture,
    and `encoder` the embedder, each only for a picture of which no copy has a vector.

    Raises PhotoError for a file that is no picture, UsageError where no model can describe it.
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
    if vector is None and not copies and not alike:
        vector = _described_vector(decoded or _decoded(path, settings), encoder, models)
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


def _described_vector(
    decoded: Decoded, encoder: Callable[[], SpaceEncoder | None], models: Callable[[Collection[str]], Models]
) -> NDArray[np.float32]:
    """The vector of what the models say of a picture, in words."""
    own = registry.own()
    reads = [name for name in own["embed"].stages if PIXELS in own[name].inputs]
    loaded = models(reads)
    results: dict[str, Any] = {}
    for stage in reads:
        if stage in loaded:
            (result,) = loaded[stage].run([Item(decoded.pixels)])
            if isinstance(result, Result):
                results[stage] = result.payload
    text = views(results).get("passage")
    embedder = encoder() if text else None
    if embedder is None or text is None:
        raise UsageError(
            "that picture is not in the index, and there is no model here that can describe it",
            "Run `imgret models pull`, or ask with a photo that is indexed.",
        )
    return np.asarray(embedder.vectors([text])[0], np.float32)
