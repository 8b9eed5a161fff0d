"""Runs an evaluation with the same code as indexing and searching.

Photos are described in a base index; each recipe has an index next to it (see `imgret.evaluate.gallery`).
The files are kept: a second run describes and embeds only what is missing.
"""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterator, Mapping, Sequence, Sized
from contextlib import contextmanager
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from imgret.cli import console, ranked
from imgret.cli.index_command import describe
from imgret.cli.progress import bar
from imgret.cli.session import Session
from imgret.config import Settings
from imgret.errors import UsageError, WeightsMissing
from imgret.evaluate import gallery, stand_in_vectors, stand_ins
from imgret.evaluate.dataset import Dataset
from imgret.evaluate.recipe import Recipe
from imgret.evaluate.saved import Report, Run
from imgret.evaluate.stand_in_vectors import StandInVectors
from imgret.ingest import Ingest
from imgret.photo import ModelIdentity
from imgret.pipeline.loading import load_models
from imgret.pipeline.models import Models
from imgret.stages import registry
from imgret.stages.interface import PIXELS
from imgret.store.factory import open_store, writer_lock
from imgret.store.interface import Store
from imgret.weights import NONE


class Plan(Struct, frozen=True):
    """What to measure."""

    recipes: Sequence[Recipe]  # empty: all for which there are results
    ranks: Sequence[str]
    index: str  # path of the base index
    captions: stand_ins.StandIns | None = None
    vectors: StandInVectors | None = None

    @property
    def stood_in(self) -> frozenset[str]:
        """The stages whose results come from files."""
        given = {"caption": self.captions, stand_in_vectors.STAGE: self.vectors}
        return frozenset(stage for stage, file in given.items() if file is not None)


class Described(NamedTuple):
    """The base index after the photos were described."""

    photos: gallery.Gallery
    made: Mapping[str, Collection[ModelIdentity]]  # the models of the results by stage
    earlier: frozenset[ModelIdentity]  # stand-ins of earlier runs, which do not count

    @property
    def has(self) -> frozenset[str]:
        """The stages with results."""
        return frozenset(self.made)

    def models(self, recipe: Recipe, loaded: Models) -> dict[str, list[str]]:
        """Return the models of a recipe by stage, each as "name revision settings"."""
        made = {stage: self.made[stage] for stage in self.made if stage in recipe.stages}
        if recipe.has_text and "embed" in loaded:
            made["embed"] = {loaded["embed"].identity}
        return {
            stage: [f"{each.name} {each.revision} {each.settings}".strip() for each in sorted(identities)]
            for stage, identities in made.items()
        }


def measure(here: Session, dataset: Dataset, plan: Plan) -> Report:
    """Describe and embed the photos, run all queries, and return the ranks.

    Raises WeightsMissing if a recipe needs results of a stage that has none.
    """
    began = time.monotonic()
    with writer_lock(plan.index), open_store(plan.index) as base:
        described = _described(here, base, dataset, plan)
        photos = described.photos
        recipes = _measurable(plan, described.has)
        with _query_models(here, recipes) as models:
            seen = any(ranked.IMAGE in described.has & recipe.stages for recipe in recipes)
            encoders = ranked.query_encoders(here, models, dataset, plan.vectors, base, seen=seen)
            prepared = time.monotonic() - began
            runs: list[Run] = []
            known: dict[
                tuple[str, frozenset[str]], Run
            ] = {}  # by ranking and the stages whose results it reads
            for recipe, ranks in recipes.items():
                rows = [
                    (rank, recipe.read_by(rank, described.has))
                    for rank in (*ranks, *([ranked.BASELINE] if recipe.has_text else ()))
                ]
                made = described.models(recipe, models)
                if new := [row for row in rows if row not in known]:
                    began = time.monotonic()
                    with _recipe_index(plan.index, recipe, photos) as store:
                        found = _embedded(here, base, store, described, recipe, models)
                        prepared += time.monotonic() - began
                        right = {photo: found[dataset.path(photo)] for photo in dataset.photos}
                        due = [rank for rank, _ in new]
                        measured = ranked.runs(store, dataset, right, recipe, due, encoders, made)
                        known.update(zip(new, measured, strict=True))
                runs += [replace(known[row], recipe=recipe.value, models=made) for row in rows]
    unreadable = sum(content is None for content in photos.values())
    return Report(
        dataset=dataset.name,
        split=dataset.split,
        photos=len({content for content in photos.values() if content is not None}) + unreadable,
        unreadable=unreadable,
        queries=list(dataset.queries),
        problems=[*dataset.problems, *(plan.captions.problems if plan.captions else ())],
        runs=runs,
        seconds=prepared,
    )


def _described(here: Session, base: Store, dataset: Dataset, plan: Plan) -> Described:
    """Describe the photos in the base index, with all stages that the recipes need."""
    needed = frozenset().union(*(recipe.stages for recipe in plan.recipes or Recipe))
    gallery.reserve(base, dataset.name)
    paths = [dataset.path(photo) for photo in dataset.photos]
    due = needed - plan.stood_in
    if not any(map(os.path.exists, paths)):
        due -= {stage.name for stage in registry.installed().stages if PIXELS in stage.inputs}
    settings = _only(here.settings, due)
    with bar("Reading the photos", total=len(paths)) as advance:
        photos = gallery.synchronize(base, paths, settings.stages(), advance)
    if plan.captions is not None:
        _report(stand_ins.put(base, photos, plan.captions, settings.stages()), photos, "stand-in caption")
    if plan.vectors is not None:
        _report(stand_in_vectors.put(base, photos, plan.vectors), photos, "stand-in vector")
    describe(Session(settings, replace(here.places, index=plan.index)), base)
    contents = {content for content in photos.values() if content is not None}
    makers = gallery.makers(base, contents)
    earlier = frozenset(
        maker
        for stage in makers.keys() - plan.stood_in
        for maker in makers[stage]
        if stand_ins.made_by(maker)
    )
    made = {}
    for stage in needed & makers.keys():
        counts = {maker: count for maker, count in makers[stage].items() if maker not in earlier}
        if counts:
            made[stage] = frozenset(counts)
        lacking = len(contents) - sum(counts.values())
        if counts and stage in registry.own() and stage != "topics":
            _report(lacking, contents, registry.own()[stage].noun)
    return Described(photos, made, earlier)


def _report(lacking: int, photos: Sized, what: str) -> None:
    if lacking:
        console.message(f"{lacking} of {len(photos)} photos have no {what}")


def _measurable(plan: Plan, has: frozenset[str]) -> dict[Recipe, tuple[str, ...]]:
    """Return the recipes to measure, each with its rankings. Raises WeightsMissing or UsageError if there are none."""
    found: dict[Recipe, tuple[str, ...]] = {}
    for recipe in plan.recipes or Recipe:
        lacking = recipe.lacking(has)
        if lacking is None:
            found[recipe] = recipe.rankings(plan.ranks, has)
            continue
        noun = registry.own()[lacking].noun
        if plan.recipes:
            raise WeightsMissing(
                f"there are no {noun} to measure with",
                "Run `imgret models pull`, choose another --recipe, or give --stand-in-captions or"
                " --stand-in-vectors.",
            )
        console.message(f"the recipe {recipe} is left out, because there are no {noun}")
    if not found:
        raise WeightsMissing(
            "there are no results to measure with",
            "Run `imgret models pull`, or give --stand-in-captions or --stand-in-vectors.",
        )
    if not any(found.values()):
        raise UsageError(
            f"the recipe {', '.join(found)} cannot be ranked by {', '.join(plan.ranks)}",
            "Choose another --rank or --recipe; --rank hybrid ranks all of them.",
        )
    return {recipe: ranks for recipe, ranks in found.items() if ranks}


def _only(settings: Settings, stages: frozenset[str]) -> Settings:
    """Return the settings with every other stage set to `none`."""
    off = [stage for stage in registry.installed().names if stage not in stages]
    return settings.with_tables(**{stage: replace(settings.of(stage), weights=NONE) for stage in off})


@contextmanager
def _query_models(here: Session, recipes: Mapping[Recipe, tuple[str, ...]]) -> Iterator[Models]:
    """Load the embedder and the topic classifier, which process a query as they process a photo."""
    needed = any(
        recipe.has_text and not {ranked.WORDS, ranked.IMAGE}.issuperset(ranks)
        for recipe, ranks in recipes.items()
    )
    with bar("Loading the models"):
        models = load_models(here.settings, here.places, ["topics", "embed"] if needed else [])
    try:
        if needed and "embed" not in models:
            raise UsageError("the embedder is set to `none`", "Set it under [embed], or give --rank words.")
        if (
            "embed" in models.missing
        ):  # a missing topic classifier was reported when the photos were described
            console.message(models.missing["embed"])
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
    here: Session, base: Store, store: Store, described: Described, recipe: Recipe, models: Models
) -> gallery.Gallery:
    """Embed the photos in the index of a recipe. Return their contents there."""
    embedder = models["embed"].identity if "embed" in models and recipe.has_text else None
    found = gallery.derive(base, store, described.photos, recipe, embedder, described.earlier)
    store.work.recover()
    due = store.work.due({"embed"}, int(time.time()))
    if due and embedder:
        settings = _only(here.settings, frozenset({"embed"}))
        with bar(f"Embedding for {recipe}", total=due) as advance:
            ingest = Ingest(store, settings, Models({"embed": models["embed"]}))
            described_now = ingest.run(lambda progress: advance(progress.done))
        if described_now.failed:
            console.message(f"{described_now.failed} photos could not be embedded for {recipe}")
    return found
