"""Runs an evaluation with the same code as indexing and searching.

Photos are described in a base index; each recipe has an index next to it (see `imgret.evaluate.gallery`).
The files are kept: a second run describes and embeds only what is missing.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from msgspec import Struct
from msgspec.structs import replace

from imgret.cli import console, ranked
from imgret.cli.index_command import describe
from imgret.cli.progress import bar
from imgret.cli.session import Session
from imgret.config import Settings
from imgret.errors import UsageError, WeightsMissing
from imgret.evaluate import gallery, stand_ins
from imgret.evaluate.dataset import Dataset
from imgret.evaluate.recipe import Recipe
from imgret.evaluate.saved import Report, Run
from imgret.ingest import Ingest
from imgret.pipeline.loading import load_models
from imgret.pipeline.models import Models
from imgret.stages import registry
from imgret.store.factory import open_store, writer_lock
from imgret.store.interface import Store
from imgret.weights import NONE


class Plan(Struct, frozen=True):
    """What to measure."""

    recipes: Sequence[Recipe]
    ranks: Sequence[str]
    index: str  # path of the base index
    stand_ins: stand_ins.StandIns | None = None


def measure(here: Session, dataset: Dataset, plan: Plan) -> Report:
    """Describe and embed the photos, run all queries, and return the ranks.

    Raises WeightsMissing if a recipe needs results of a stage that has none.
    """
    began = time.monotonic()
    with writer_lock(plan.index), open_store(plan.index) as base:
        photos = _described(here, base, dataset, plan)
        with _query_models(here, plan) as models:
            encoder = ranked.query_vectors(models, dataset, plan.ranks)
            prepared = time.monotonic() - began
            runs: list[Run] = []
            for recipe in plan.recipes:
                began = time.monotonic()
                with _recipe_index(plan.index, recipe, photos) as store:
                    found = _embedded(here, base, store, photos, recipe, models)
                    prepared += time.monotonic() - began
                    right = {photo: found[dataset.path(photo)] for photo in dataset.photos}
                    runs += ranked.runs(store, dataset, right, recipe, plan.ranks, encoder)
    unreadable = sum(content is None for content in photos.values())
    return Report(
        dataset=dataset.name,
        split=dataset.split,
        photos=len({content for content in photos.values() if content is not None}) + unreadable,
        unreadable=unreadable,
        queries=list(dataset.queries),
        problems=[*dataset.problems, *(plan.stand_ins.problems if plan.stand_ins else ())],
        runs=runs,
        seconds=prepared,
    )


def _described(here: Session, base: Store, dataset: Dataset, plan: Plan) -> gallery.Gallery:
    """Describe the photos in the base index, with all stages that the recipes need."""
    needed = frozenset().union(*(recipe.stages for recipe in plan.recipes))
    settings = _only(here.settings, needed - ({"caption"} if plan.stand_ins else set()))
    gallery.reserve(base, dataset.name)
    paths = [dataset.path(photo) for photo in dataset.photos]
    with bar("Reading the photos", total=len(paths)) as advance:
        photos = gallery.synchronize(base, paths, settings.stages(), advance)
    if plan.stand_ins is not None:
        without = stand_ins.put(base, photos, plan.stand_ins, settings.stages())
        if without:
            console.say(f"{without} of {len(photos)} photos have no stand-in caption")
    describe(Session(settings, replace(here.places, index=plan.index)), base)
    contents = {content for content in photos.values() if content is not None}
    made = gallery.makers(base, contents)
    if plan.stand_ins is None:  # stand-ins of an earlier run do not count
        made["caption"] = {
            maker: count for maker, count in made["caption"].items() if not stand_ins.made_by(maker)
        }
    for stage in sorted(needed & {"caption", "detect"}):
        count = sum(made[stage].values())
        if not count:
            raise WeightsMissing(
                f"there are no {registry.own()[stage].noun} to measure with",
                "Run `imgret models pull`, choose another --recipe, or give --stand-in-captions.",
            )
        if count < len(contents):
            console.say(
                f"{len(contents) - count} of {len(contents)} photos have no {registry.own()[stage].noun}"
            )
    return photos


def _only(settings: Settings, stages: frozenset[str]) -> Settings:
    """Return the settings with every other stage set to `none`."""
    off = [stage for stage in registry.installed().names if stage not in stages]
    return settings.with_tables(**{stage: replace(settings.of(stage), weights=NONE) for stage in off})


@contextmanager
def _query_models(here: Session, plan: Plan) -> Iterator[Models]:
    """Load the embedder and the topic classifier, which process a query as they process a photo."""
    with bar("Loading the models"):
        models = load_models(here.settings, here.places, ["topics", "embed"])
    try:
        if "embed" not in models and set(plan.ranks) != {ranked.WORDS}:
            raise UsageError("the embedder is set to `none`", "Set it under [embed], or give --rank words.")
        if (
            "embed" in models.missing
        ):  # a missing topic classifier was reported when the photos were described
            console.say(models.missing["embed"])
        yield models
    finally:
        models.close()


@contextmanager
def _recipe_index(base: str, recipe: Recipe, photos: gallery.Gallery) -> Iterator[Store]:
    """Open the index of a recipe, next to the base index. It is recreated if it contains other photos than these.

    Photos of another split would change the baseline of the scores and the document frequencies of the words.
    """
    stem, suffix = os.path.splitext(base)
    path = f"{stem}.{recipe}{suffix}"
    wanted = {gallery.canonical(photo) for photo in photos}
    with writer_lock(path):
        with open_store(path) as store:
            gallery.reserve(store, recipe)
            fits = gallery.indexed_paths(store) <= wanted
        if not fits:
            for end in ("", "-wal", "-shm"):
                if os.path.exists(path + end):
                    os.unlink(path + end)
        with open_store(path) as store:
            gallery.reserve(store, recipe)
            yield store


def _embedded(
    here: Session, base: Store, store: Store, photos: gallery.Gallery, recipe: Recipe, models: Models
) -> gallery.Gallery:
    """Embed the photos in the index of a recipe. Return their contents there."""
    embedder = models["embed"].identity if "embed" in models else None
    found = gallery.derive(base, store, photos, recipe, embedder)
    store.work.recover()
    due = store.work.due({"embed"}, int(time.time()))
    if due and embedder:
        settings = _only(here.settings, frozenset({"embed"}))
        with bar(f"Embedding for {recipe}", total=due) as advance:
            ingest = Ingest(store, settings, Models({"embed": models["embed"]}))
            described = ingest.run(lambda progress: advance(progress.done))
        if described.failed:
            console.say(f"{described.failed} photos could not be embedded for {recipe}")
    return found
