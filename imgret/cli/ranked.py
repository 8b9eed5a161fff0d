"""The ordinary search as a ranking that `imgret.evaluate` can measure, and the baseline beside it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from imgret.cli.progress import bar
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
from imgret.search.rank import search
from imgret.search.warm_index import WarmIndex
from imgret.stages import registry
from imgret.store.interface import Store

BASELINE = "bm25"
WORDS = "words"
BATCH = 64  # questions embedded at once

Vector = NDArray[np.float32]


class Asked:
    """The vectors of all questions, made once: every recipe and every ranking asks the same ones."""

    def __init__(self, embedder: QueryEncoder, texts: Sequence[str]) -> None:
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
        """The embedder's."""
        return self._embedder.identity

    def vectors(self, texts: Sequence[str]) -> Vector:
        """(texts, dimension), unit norm."""
        return np.stack([self._vectors[text] for text in texts])


def asked(models: Models, dataset: Dataset, ranks: Sequence[str]) -> Asked | None:
    """What the rankings need of the models; None when words are enough."""
    model = models.get("embed")
    if model is None or set(ranks) == {WORDS}:
        return None
    needed = registry.own()["embed"].query_inputs(model.identity)
    encoder = QueryEncoder(model, {name: models[name] for name in needed if name in models})
    return Asked(encoder, [query.text for query in dataset.queries])


def runs(
    store: Store,
    dataset: Dataset,
    right: dict[str, int | None],
    recipe: Recipe,
    ranks: Sequence[str],
    encoder: Asked | None,
) -> Iterator[Run]:
    """A recipe's rows: each ranking, and the baseline. `right` is photo -> content."""
    contents = {content for content in right.values() if content is not None}
    models = {
        stage: [f"{made.name} {made.revision} {made.settings}".strip() for made in sorted(identities)]
        for stage, identities in gallery.makers(store, contents).items()
        if identities
    }
    if encoder and contents and (answering := store.vectors.active_model()) != encoder.identity:
        raise IndexProblem(
            f"{store.path} still answers with the vectors of {answering.name if answering else 'nobody'}",
            "Some photos could not be embedded. Remove that file: the photos stay described.",
        )
    for rank in (*ranks, BASELINE):
        ranking = (
            Bm25(gallery.passages(store, contents)) if rank == BASELINE else _searched(store, encoder, rank)
        )
        began = time.monotonic()
        with bar(f"Asking {recipe}/{rank}", total=len(dataset.queries)) as advance:
            found = run_queries(dataset.queries, right, ranking, advance)
        yield Run(recipe.value, rank, models, found, time.monotonic() - began)


def _searched(store: Store, encoder: Asked | None, rank: str) -> Ranking:
    """The ordinary search, with the vectors in memory as the daemon has them.

    The question is given as plain text, past the query language: a caption may hold `word:` or `-`.
    """
    warm = WarmIndex(store) if encoder and rank != WORDS else None

    def ask(text: str, count: int) -> tuple[Ids, Floats]:
        question = ParsedQuery(words=text, terms=tuple(text.split()))
        best: dict[int, float] = {}
        for hit in search(store, question, encoder, rank=rank, limit=count, all_copies=True, warm=warm).hits:
            best.setdefault(hit.content, hit.score)  # copies of a photo are hits of their own
        return np.array(list(best), np.int64), np.array(list(best.values()), np.float64)

    return ask
