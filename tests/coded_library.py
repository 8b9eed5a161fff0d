"""A library whose spaces have codes, and the files of these codes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from imgret.photo import FileStat, ModelIdentity
from imgret.search.warm_index import WarmIndex
from imgret.store import codes_file
from imgret.store.factory import open_store
from imgret.store.interface import Store
from imgret.store.records import IMAGE, SpaceTraits
from imgret.store.sqlite import nearest

TEXTS, IMAGES = ModelIdentity("texts", "1"), ModelIdentity("images", "1")
PHOTOS, DIMENSION = 700, 280


def never() -> bool:
    return False


def vectors(number: int) -> Any:
    rows = np.random.default_rng(number).standard_normal((3, DIMENSION)) * np.arange(1, DIMENSION + 1) ** -0.4
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def add(store: Store, numbers: Any) -> None:
    with store.writing():
        root = store.roots.add(b"/photos").id
        for number in numbers:
            passage, captions, image = vectors(number)
            name = b"%d.jpg" % number
            content, _ = store.photos.save(root, b"", name, FileStat(1, 1, 1, number), b"%032d" % number, 1)
            store.vectors.save(content, TEXTS, {"passage": passage, "captions": captions})
            store.vectors.save(content, IMAGES, {"image": image}, IMAGE, SpaceTraits("image", 1.0))


def filled(path: Path | str) -> Store:
    store = open_store(str(path))
    add(store, range(1, PHOTOS + 1))
    store.vectors.rebuild()
    return store


@contextmanager
def few_photos_are_many() -> Iterator[None]:
    """A few hundred photos get codes, in files with many parts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nearest, "EXACT", 200)
        patch.setattr(codes_file, "PART", 16 << 10)
        yield


def save(store: Store) -> WarmIndex:
    warm = WarmIndex(store)
    warm.save(store, never)
    return warm


def file_of(store: Store, stage: str = IMAGE) -> Path:
    return Path(f"{store.path}.{stage}.codes")


def images(store: Store) -> Any:
    return next(space for space in store.vectors.active_spaces() if space.stage == IMAGE)


def same(one: WarmIndex, other: WarmIndex, *, codes: bool = True) -> None:
    """Both find the same photos; with the same `codes`, they score them alike."""
    assert one.memories.keys() == other.memories.keys()
    for number, memory in one.memories.items():
        for seed in (10_001, 10_002):
            query = vectors(seed)[0]
            right, found = (each.nearest(query, 40) for each in (memory, other.memories[number]))
            assert len(np.intersect1d(right, found)) >= (39 if codes else 36)
            if not codes:
                continue
            expected, scored = (
                each.scores(query, right, fine=True) for each in (memory, other.memories[number])
            )
            assert np.allclose(expected, scored, atol=1e-5)
