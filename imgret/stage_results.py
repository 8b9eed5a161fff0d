"""The results of stages: into the store with what they give the search, and out of it as payloads and as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from imgret.photo import ModelIdentity
from imgret.stages import registry
from imgret.stages.interface import Result, Stage
from imgret.store.interface import Store
from imgret.store.records import SpaceTraits


def save(store: Store, content: int, stage: str, identity: ModelIdentity, result: Result) -> None:
    """Save what a stage says of a content, with its texts, tags and vectors, in place of what it said before.

    Raises ValueError for a vector that is not of unit norm, or not as long as others of the same model.
    """
    of = _stage(stage)
    store.results.save(
        content,
        stage,
        identity,
        result.payload,
        texts=of.texts(result.payload),
        tags=of.tags(result.payload),
        vectors=result.vectors if of.views else None,
        space=SpaceTraits(of.views[0], of.vector_weight) if of.views else None,
    )


def payloads(store: Store, content: int) -> dict[str, Any]:
    """The results of a content, by stage. Those of stages that are not installed are left out."""
    found = {}
    for name, payload in store.results.payloads(content).items():
        stage = registry.find(name)
        if stage is not None:
            found[name] = stage.decode(payload)
    return found


def texts(name: str, payload: str) -> Mapping[str, str]:
    """The texts, by column, of a stage's result that was saved as this JSON."""
    stage = registry.find(name)
    return stage.texts(stage.decode(payload)) if stage is not None else {}


def shown(results: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of a photo's JSON that its results give: those of imgret's own stages always, of others if there are any."""
    keys: dict[str, Any] = {}
    for stage in registry.own().stages:
        keys |= stage.json(results.get(stage.name))
    others = [name for name in results if name not in registry.own()]
    if others:  # entry points are read only for these
        for stage in registry.installed().stages:
            if stage.name in others:
                keys |= stage.json(results[stage.name])
    return keys


def rows(keys: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(label, text) of what the JSON of a photo says, for people; `keys` are those of `shown`."""
    stages: list[Stage] = list(registry.own().stages)
    if not keys.keys() <= set(shown({})):
        stages = list(registry.installed().stages)
    return [
        (label, text)
        for stage in stages
        if keys.keys() >= stage.json(None).keys()
        for label, text in stage.rows(keys)
    ]


def _stage(name: str) -> Stage:
    stage = registry.find(name)
    if stage is None:
        raise KeyError(f"there is no stage {name}")
    return stage
