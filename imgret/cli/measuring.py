"""The ordinary index, ingest and search, put together so that `imgret.evaluate` can measure them.

Photos are described in a base index; each recipe has an index beside it (see `imgret.evaluate.gallery`).
Both stay where they are: a second run describes and embeds only what is missing.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from imgret.cli import render
from imgret.cli.indexing import describe
from imgret.cli.progress import bar
from imgret.cli.session import Session
from imgret.config import NONE, WORDLLAMA, Settings
from imgret.describe.loading import load_models
from imgret.describe.models import Models
from imgret.errors import UsageError, WeightsMissing
from imgret.evaluate import gallery, stand_ins
from imgret.evaluate.bm25 import Bm25
from imgret.evaluate.dataset import Dataset
from imgret.evaluate.metrics import Floats, Ids
from imgret.evaluate.recipe import Recipe
from imgret.evaluate.run import Ranking, answers
from imgret.evaluate.saved import Report, Run
from imgret.index import work
from imgret.index.connection import Index, writer
from imgret.ingest import Ingest
from imgret.photo import ModelIdentity, Stage
from imgret.search.ask import QueryEmbedder
from imgret.search.query import Question
from imgret.search.rank import search

BASELINE = "bm25"
WORDS = "words"
BATCH = 64  # questions embedded at once
Vector = NDArray[np.float32]
_NEEDED = {Stage.CAPTION: "captions", Stage.DETECT: "detections"}


class Plan(Struct, frozen=True):
    """What is to be measured."""

    recipes: Sequence[Recipe]
    ranks: Sequence[str]
    index: str  # path of the base index
    split: str | None = None
    stand_ins: stand_ins.StandIns | None = None


def measure(here: Session, dataset: Dataset, plan: Plan) -> Report:
    """Describe, embed, ask. Raises WeightsMissing for a recipe without the results it is made from."""
    began = time.monotonic()
    with writer(plan.index), Index(plan.index) as base:
        held = _described(here, base, dataset, plan)
        with _question_models(here, plan) as models:
            asker = _asked(models, dataset, plan)
            prepared = time.monotonic() - began
            runs: list[Run] = []
            for recipe in plan.recipes:
                began = time.monotonic()
                with _recipe_index(plan.index, recipe, held) as index:
                    found = _embedded(here, base, index, held, recipe, models)
                    prepared += time.monotonic() - began
                    right = {photo: found[dataset.path(photo)] for photo in dataset.photos}
                    runs += _runs(index, dataset, right, recipe, plan.ranks, asker)
    unreadable = sum(content is None for content in held.values())
    return Report(
        dataset=dataset.name,
        split=plan.split,
        photos=len({content for content in held.values() if content is not None}) + unreadable,
        unreadable=unreadable,
        queries=list(dataset.queries),
        problems=[*dataset.problems, *(plan.stand_ins.problems if plan.stand_ins else ())],
        runs=runs,
        seconds=prepared,
    )


def _described(here: Session, base: Index, dataset: Dataset, plan: Plan) -> gallery.Gallery:
    """The photos in the base index, with all that the recipes are made from."""
    needed = frozenset().union(*(recipe.stages for recipe in plan.recipes))
    settings = _only(here.settings, needed - ({Stage.CAPTION} if plan.stand_ins else set()))
    gallery.claim(base, dataset.name)
    paths = [dataset.path(photo) for photo in dataset.photos]
    with bar("Reading the photos", total=len(paths)) as advance:
        held = gallery.hold(base, paths, settings.stages(), advance)
    if plan.stand_ins is not None:
        without = stand_ins.put(base, held, plan.stand_ins, settings.stages())
        if without:
            render.say(f"{without} of {len(held)} photos have no stand-in caption")
    describe(Session(settings, replace(here.places, index=plan.index)), base)
    made = gallery.makers(base, {content for content in held.values() if content is not None})
    for stage in sorted(needed & _NEEDED.keys()):
        count = sum(made.get(stage, {}).values())
        if not count:
            raise WeightsMissing(
                f"there are no {_NEEDED[stage]} to measure with",
                "Run `imgret models pull`, choose another --recipe, or give --stand-in-captions.",
            )
    return held


def _only(settings: Settings, stages: frozenset[Stage]) -> Settings:
    """The settings with every other stage set to `none`."""
    return replace(
        settings,
        **{
            stage.value: replace(getattr(settings, stage.value), weights=NONE)
            for stage in (Stage.CAPTION, Stage.DETECT, Stage.TOPICS, Stage.EMBED)
            if stage not in stages
        },
    )


@contextmanager
def _question_models(here: Session, plan: Plan) -> Iterator[Models]:
    """The embedder and the classifier of topics, which a question goes through as a photo does."""
    with bar("Loading the models"):
        models = load_models(here.settings, here.places, [Stage.TOPICS, Stage.EMBED])
    try:
        if models.embed is None and set(plan.ranks) != {WORDS}:
            raise UsageError("the embedder is set to `none`", "Set it under [embed], or give --rank words.")
        render.say_all(models.missing.values())
        yield models
    finally:
        models.close()


class _Asked:
    """The vectors of all questions, made once: every recipe and every ranking asks the same ones."""

    def __init__(self, embedder: QueryEmbedder, texts: Sequence[str]) -> None:
        self._embedder = embedder
        self._vectors: dict[str, Vector] = {}
        different = list(dict.fromkeys(texts))
        with bar("Embedding the questions", total=len(different)) as advance:
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


def _asked(models: Models, dataset: Dataset, plan: Plan) -> _Asked | None:
    if models.embed is None or set(plan.ranks) == {WORDS}:
        return None
    topics = None if models.embed.identity.name == WORDLLAMA else models.topics  # it knows no instructions
    return _Asked(QueryEmbedder(models.embed, topics), [query.text for query in dataset.queries])


@contextmanager
def _recipe_index(base: str, recipe: Recipe, held: gallery.Gallery) -> Iterator[Index]:
    """The index of a recipe, beside the base; begun anew if it holds other photos than these.

    Photos of another split would still count among the background of a question and the rarity of a word.
    """
    stem, suffix = os.path.splitext(base)
    path = f"{stem}.{recipe}{suffix}"
    wanted = {gallery.resolved(photo) for photo in held}
    with writer(path):
        with Index(path) as index:
            gallery.claim(index, recipe)
            fits = gallery.held(index) <= wanted
        if not fits:
            for end in ("", "-wal", "-shm"):
                if os.path.exists(path + end):
                    os.unlink(path + end)
        with Index(path) as index:
            gallery.claim(index, recipe)
            yield index


def _embedded(
    here: Session, base: Index, index: Index, held: gallery.Gallery, recipe: Recipe, models: Models
) -> gallery.Gallery:
    """The photos in the index of a recipe, embedded."""
    embedder = models.embed.identity if models.embed else None
    found = gallery.derive(base, index, held, recipe, embedder)
    work.recover(index)
    due = work.due(index, {Stage.EMBED}, int(time.time()))
    if due and embedder:
        settings = _only(here.settings, frozenset({Stage.EMBED}))
        with bar(f"Embedding for {recipe}", total=due) as advance:
            ingest = Ingest(index, settings, Models(embed=models.embed))
            described = ingest.run(lambda progress: advance(progress.done))
        if described.failed:
            render.say(f"{described.failed} photos could not be embedded for {recipe}")
    return found


def _runs(
    index: Index,
    dataset: Dataset,
    right: dict[str, int | None],
    recipe: Recipe,
    ranks: Sequence[str],
    asker: _Asked | None,
) -> Iterator[Run]:
    contents = {content for content in right.values() if content is not None}
    models = {
        stage.value: [f"{made.name} {made.revision} {made.settings}".strip() for made in sorted(identities)]
        for stage, identities in gallery.makers(index, contents).items()
    }
    for rank in (*ranks, BASELINE):
        ranking = (
            Bm25(gallery.passages(index, contents)) if rank == BASELINE else _searched(index, asker, rank)
        )
        began = time.monotonic()
        with bar(f"Asking {recipe}/{rank}", total=len(dataset.queries)) as advance:
            found = answers(dataset.queries, right, ranking, advance)
        yield Run(recipe.value, rank, models, found, time.monotonic() - began)


def _searched(index: Index, asker: _Asked | None, rank: str) -> Ranking:
    """The ordinary search, its question given as plain text: a caption may hold `word:` or `-`."""

    def ask(text: str, count: int) -> tuple[Ids, Floats]:
        question = Question(words=text, terms=tuple(text.split()))
        best: dict[int, float] = {}
        for hit in search(index, question, asker, rank=rank, k=count, apart=True).hits:
            best.setdefault(hit.content, hit.score)  # copies of a photo are hits of their own
        return np.array(list(best), np.int64), np.array(list(best.values()), np.float64)

    return ask
