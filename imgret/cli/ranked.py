"""The rankings that `imgret.evaluate` measures: those of the ordinary search, and BM25 as a baseline."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from imgret.cli.progress import bar
from imgret.cli.session import Session
from imgret.errors import IndexProblem
from imgret.evaluate import gallery
from imgret.evaluate.bm25 import Bm25
from imgret.evaluate.dataset import Dataset
from imgret.evaluate.metrics import Floats, Ids
from imgret.evaluate.recipe import Recipe
from imgret.evaluate.run import Ranking, run_queries
from imgret.evaluate.saved import Run
from imgret.photo import ModelIdentity
from imgret.pipeline.models import Models
from imgret.search.parse import ParsedQuery
from imgret.search.query_encoder import QueryEncoder
from imgret.search.rank_all import LibraryRanker
from imgret.search.service import LocalEncoders
from imgret.search.space_queries import SpaceEncoder
from imgret.stages import registry
from imgret.store.interface import Store

BASELINE = "bm25"
WORDS = "words"
IMAGE = "image"  # the ranking, and the stage of its vectors
BATCH = 64  # queries embedded at once

Vector = NDArray[np.float32]


class CachedQueryVectors:
    """The vectors of all queries, computed once, because every recipe and ranking uses the same queries."""

    def __init__(self, embedder: SpaceEncoder, texts: Sequence[str]) -> None:
        self._embedder = embedder
        self._vectors: dict[str, Vector] = {}
        different = list(dict.fromkeys(texts))
        with bar("Embedding the queries", total=len(different)) as advance:
            for begun in range(0, len(different), BATCH):
                some = different[begun : begun + BATCH]
                self._vectors.update(zip(some, embedder.vectors(some), strict=True))
                advance(len(self._vectors))

    @property
    def identity(self) -> ModelIdentity:
        """The identity of the embedder."""
        return self._embedder.identity

    def vectors(self, texts: Sequence[str]) -> Vector:
        """Return float32 (texts, dimension), unit norm. Raises KeyError for a text that is not one of the queries."""
        return np.stack([self._vectors[text] for text in texts])


class Encoders(NamedTuple):
    """The encoders of the queries, one for each kind of vectors; None where there is none."""

    text: CachedQueryVectors | None
    image: CachedQueryVectors | None


def query_encoders(
    here: Session, models: Models, dataset: Dataset, vectors: SpaceEncoder | None, base: Store, *, seen: bool
) -> Encoders:
    """Encode all queries. `vectors` are stand-ins for those of the image space; `seen`: photos have image vectors."""
    texts = [query.text for query in dataset.queries]
    text = image = None
    if "embed" in models:
        model = models["embed"]
        needed = registry.own()["embed"].query_inputs(model.identity)
        text = QueryEncoder(model, {name: models[name] for name in needed if name in models})
    if seen:
        made = base.vectors.active_model(IMAGE)
        assert made is not None
        image = vectors or LocalEncoders(here.settings, here.places).encoder(IMAGE, made)
    return Encoders(
        CachedQueryVectors(text, texts) if text else None, CachedQueryVectors(image, texts) if image else None
    )


def runs(
    store: Store,
    dataset: Dataset,
    right: dict[str, int | None],
    recipe: Recipe,
    ranks: Sequence[str],
    encoders: Encoders,
    models: Mapping[str, list[str]],
) -> Iterator[Run]:
    """Yield the results of a recipe by rankings. `right` maps photos to contents; `models` are those of the recipe."""
    contents = {content for content in right.values() if content is not None}
    text = encoders.text if recipe.has_text else None
    if text and contents and (active := store.vectors.active_model()) != text.identity:
        raise IndexProblem(
            f"{store.path} is still searched with {f'the vectors of {active.name}' if active else 'no vectors'}",
            "Some photos could not be embedded. Delete that file; the photos need not be described again.",
        )
    ranker = LibraryRanker(store, text, {IMAGE: encoders.image} if encoders.image else {})
    for rank in ranks:
        began = time.monotonic()
        ranking = Bm25(gallery.passages(store, contents)) if rank == BASELINE else _searched(ranker, rank)
        with bar(f"Searching {recipe}/{rank}", total=len(dataset.queries)) as advance:
            found = run_queries(dataset.queries, right, ranking, advance)
        yield Run(recipe.value, rank, dict(models), found, time.monotonic() - began)


def _searched(ranker: LibraryRanker, rank: str) -> Ranking:
    """Return the ordinary search, over the whole library.

    Queries are not parsed as query language, because a caption may contain `word:` or `-`.
    """

    def rank_photos(text: str) -> tuple[Ids, Floats]:
        found = ranker.ranked(ParsedQuery(words=text, terms=tuple(text.split())), rank)
        return found.contents, found.scores.astype(np.float64)

    return rank_photos
