"""The results of stages: into the store with what they give the search, and out of it as payloads and as JSON."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any

from imgret.limits import as_sentence
from imgret.photo import ModelIdentity
from imgret.stages import registry
from imgret.stages.interface import Meant, Result, Stage
from imgret.store.interface import Store
from imgret.store.records import SpaceTraits

log = logging.getLogger(__name__)

# Keys of the JSON of a hit and of a photo that no stage gives.
RESERVED_KEYS = frozenset(
    {
        *(
            "v",
            "question",
            "question_number",
            "rank",
            "score",
            "cosine",
            "strength",
            "path",
            "path_bytes",
            "state",
        ),
        *("reason", "note", "taken_at", "width", "height", "format", "camera", "latitude", "longitude"),
        *("truncated", "online", "why", "models", "waiting", "other_paths"),
    }
)


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
            with _costs_itself(stage):
                found[name] = stage.decode(payload)
    return found


def texts(name: str, payload: str) -> Mapping[str, str]:
    """The texts, by column, of a stage's result that was saved as this JSON."""
    stage = registry.find(name)
    if stage is not None:
        with _costs_itself(stage):
            return stage.texts(stage.decode(payload))
    return {}


def shown(results: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of a photo's JSON that its results give: those of imgret's own stages always, of others if there are any.

    A key of a package's stage that imgret uses itself is left out.
    """
    keys: dict[str, Any] = {}
    for stage in registry.own().stages:
        keys |= stage.json(results.get(stage.name))
    others = [name for name in results if name not in registry.own()]
    if others:  # entry points are read only for these
        for stage in registry.installed().stages:
            if stage.name in others:
                with _costs_itself(stage):
                    keys = {**stage.json(results[stage.name]), **keys}
    return {key: value for key, value in keys.items() if key not in RESERVED_KEYS}


def rows(keys: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(label, text) of what the JSON of a photo says, for people; `keys` are those of `shown`."""
    found: list[tuple[str, str]] = []
    for stage in _speaking(keys):
        with _costs_itself(stage):
            if keys.keys() >= stage.json(None).keys():
                found += stage.rows(keys)
    return found


def why(keys: Mapping[str, Any], word: str, meant: Meant) -> list[str]:
    """What the stages say of a word that matched; `keys` are those of `shown`."""
    found: list[str] = []
    for stage in _speaking(keys):
        with _costs_itself(stage):
            if keys.keys() >= stage.json(None).keys():
                found += stage.why(keys, word, meant)
    return found


def _speaking(keys: Mapping[str, Any]) -> tuple[Stage, ...]:
    """The stages whose keys these may be. Entry points are read only where there are others than imgret's own."""
    return (registry.own() if keys.keys() <= _own_keys() else registry.installed()).stages


@cache
def _own_keys() -> frozenset[str]:
    return frozenset(shown({}))


@contextmanager
def _costs_itself(stage: Stage) -> Iterator[None]:
    """An error of a package's stage is logged and costs what it says of this photo; one of our own is raised."""
    try:
        yield
    except Exception as error:
        if stage.name in registry.own():
            raise
        log.warning("The stage %s failed: %s", stage.name, as_sentence(error))


def _stage(name: str) -> Stage:
    stage = registry.find(name)
    if stage is None:
        raise KeyError(f"there is no stage {name}")
    return stage
