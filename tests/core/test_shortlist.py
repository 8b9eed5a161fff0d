"""Candidates of two spaces are the best of all photos by both together, whichever view of them is near."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imgret.photo import FileStat, ModelIdentity
from imgret.search import parse, rank, warm_index
from imgret.search.rank_all import LibraryRanker
from imgret.search.scoring import SpaceQuery
from imgret.search.shortlist import shortlist
from imgret.search.warm_index import WarmIndex
from imgret.store.factory import open_store
from imgret.store.filter_masks import mask_of
from imgret.store.interface import Store
from imgret.store.records import IMAGE, TEXT, SpaceTraits
from imgret.store.sqlite import nearest

TEXTS, IMAGES = ModelIdentity("texts", "1"), ModelIdentity("images", "1")
PHOTOS, SCENES, DIMENSION = 1500, 60, 320


class Given:
    """Encodes every text as one vector."""

    def __init__(self, identity: ModelIdentity, vector: Any) -> None:
        self.identity, self._vector = identity, vector

    def vectors(self, texts: list[str]) -> Any:
        return np.stack([self._vector for _ in texts])


def unit(rows: Any) -> Any:
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


def near(random: np.random.Generator, rows: Any, share: float) -> Any:
    return unit(share * rows + np.sqrt(1 - share**2) * unit(random.standard_normal(rows.shape)))


@pytest.fixture(scope="module", params=[True, False], ids=["coded", "small"])
def library(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A tenth of the photos lacks a caption, another the image vector, and some were deleted."""
    random = np.random.default_rng(5)
    scenes = random.integers(0, SCENES, PHOTOS)
    passages, captions, counts, images = (
        near(random, unit(random.standard_normal((SCENES, DIMENSION)))[scenes], 0.7) for _ in range(4)
    )
    captions = near(random, passages, 0.8)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nearest, "EXACT", 500 if request.param else 100_000)
        patch.setattr(warm_index, "MANY", 100)  # the spaces are searched side by side
        with open_store(str(tmp_path_factory.mktemp("shortlist") / "index.db")) as store:
            with store.writing():
                root = store.roots.add(b"/photos").id
                for at in range(PHOTOS):
                    name = b"%d.jpg" % at
                    content, _ = store.photos.save(root, b"", name, FileStat(1, 1, 1, at), b"%032d" % at, 1)
                    assert content == at + 1
                    views = {"passage": passages[at], "captions": captions[at], "counts": counts[at]}
                    store.vectors.save(content, TEXTS, views if at % 10 else {"passage": passages[at]})
                    if at % 10 != 1:
                        store.vectors.save(
                            content, IMAGES, {"image": images[at]}, IMAGE, SpaceTraits("image", 1.0)
                        )
                store.photos.mark_deleted(root, b"", [b"%d.jpg" % at for at in range(0, PHOTOS, 7)], now=5)
            store.vectors.rebuild()
            yield store


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10_000), target=st.integers(1, PHOTOS))
def test_the_hits_are_the_best_of_all_photos(library: Store, seed: int, target: int) -> None:
    store, random = library, np.random.default_rng(seed)
    spaces = {space.stage: space for space in store.vectors.active_spaces()}
    query_vectors = {}
    for stage, view in ((TEXT, "captions"), (IMAGE, "image")):
        row = np.nan_to_num(store.vectors.of(spaces[stage], np.array([target]), (view,))[view])
        query_vectors[stage] = near(random, row, 0.6)[0]
    text, others = Given(TEXTS, query_vectors[TEXT]), {IMAGE: Given(IMAGES, query_vectors[IMAGE])}
    query = parse.parse("anything", datetime(2026, 1, 1))
    warm = WarmIndex(store)
    found = rank.search(store, query, text, others=others, limit=10, all_copies=True, warm=warm)
    whole = LibraryRanker(store, text, others).ranked(query, "hybrid")
    right = whole.contents[np.argsort(-whole.scores, kind="stable")[:10]]
    hits = [hit.content for hit in found.hits]
    assert len(hits) == 10
    assert all((content - 1) % 7 for content in hits)  # none was deleted
    assert len(np.intersect1d(hits, right)) >= 9
    assert target in hits or not (target - 1) % 7 or target not in right


def test_without_the_vectors_in_memory_codes_give_more_candidates(
    library: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    random, counts = np.random.default_rng(3), []
    search = library.nearest.search

    def recorded(space: Any, query: Any, count: int, among: Any = None) -> Any:
        counts.append(count)
        return search(space, query, count, among)

    monkeypatch.setattr(library.nearest, "search", recorded)
    text, image = (near(random, np.zeros((1, DIMENSION)), 0.0)[0] for _ in range(2))
    query, others = parse.parse("anything", datetime(2026, 1, 1)), {IMAGE: Given(IMAGES, image)}
    found = rank.search(library, query, Given(TEXTS, text), others=others, limit=10)
    is_coded = library.nearest.projection(library.vectors.active_spaces()[0]) is not None
    assert len(found.hits) == 10
    assert min(counts) == rank.POOL * (rank.MORE if is_coded else 1)


def test_only_what_passes_the_filters_is_a_candidate(library: Store) -> None:
    warm, random = WarmIndex(library), np.random.default_rng(1)
    queries = [
        SpaceQuery(space, near(random, np.zeros((1, DIMENSION)), 0.0)[0], warm.sample(library, space))
        for space in library.vectors.active_spaces()
    ]
    assert len(queries) == 2
    passing = np.arange(3, PHOTOS, 5)
    found = shortlist(warm, queries, 40, mask_of(passing))
    assert len(found) == len(set(found.tolist())) == 40
    assert np.isin(found, passing).all()
    assert len(shortlist(warm, queries, 40, mask_of(passing[:0]))) == 0
    assert len(shortlist(warm, queries, PHOTOS * 2)) == PHOTOS


def test_a_photo_is_found_by_its_caption_where_its_passage_is_far(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The table of codes on the disk has the passages alone; the memory has all views."""
    monkeypatch.setattr(nearest, "EXACT", 50)
    random = np.random.default_rng(2)
    rows = unit(random.standard_normal((2, 400, 64)))
    with open_store(str(tmp_path / "index.db")) as store:
        with store.writing():
            root = store.roots.add(b"/photos").id
            for at, (passage, caption) in enumerate(zip(*rows, strict=True)):
                stat = FileStat(1, 1, 1, at)
                content, _ = store.photos.save(root, b"", b"%d.jpg" % at, stat, b"%032d" % at, 1)
                store.vectors.save(content, TEXTS, {"passage": passage, "captions": caption})
        store.vectors.rebuild()
        memory = next(iter(WarmIndex(store).memories.values()))
        first = [int(memory.nearest(caption, 1, fine=False)[0]) for caption in rows[1]]
    assert np.mean(np.array(first) == np.arange(1, 401)) > 0.99
