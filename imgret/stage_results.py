"""Saves the results of stages with their texts, tags and vectors, and reads them as payloads or as JSON."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any, TypeVar

from imgret.limits import as_sentence
from imgret.photo import Corners, Metadata, ModelIdentity
from imgret.stages import registry
from imgret.stages.interface import LabelMatcher, Result, Stage
from imgret.stages.metadata import NAME as METADATA
from imgret.stages.metadata import with_tags
from imgret.store.interface import Store
from imgret.store.records import SpaceTraits

T = TypeVar("T")
log = logging.getLogger(__name__)

# Keys of the JSON of a hit or a photo that a stage must not use.
RESERVED_KEYS = frozenset(
    {
        *(
            "v",
            "question",
            "question_number",
            "rank",
            "score",
            "cosine",
            "confidence",
            "strength",
            "path",
            "path_bytes",
            "state",
        ),
        *(
            "reason",
            "note",
            "taken",
            "taken_at",
            "taken_precision",
            "taken_source",
            "width",
            "height",
            "format",
            "camera",
            "latitude",
            "longitude",
        ),
        *("truncated", "online", "why", "models", "waiting", "other_paths"),
    }
)


def save(store: Store, content: int, stage: str, identity: ModelIdentity, result: Result) -> None:
    """Save the result of a stage for a content, with its texts, tags and vectors. It replaces an earlier result.

    Raises ValueError for a vector that is not of unit norm, or has another dimension than the others of its model.
    """
    definition = _stage(stage)
    store.results.save(
        content,
        stage,
        identity,
        result.payload,
        texts=definition.texts(result.payload),
        tags=definition.tags(result.payload),
        vectors=result.vectors if definition.views else None,
        space=SpaceTraits(definition.views[0], definition.vector_weight) if definition.views else None,
    )


def payloads(store: Store, content: int) -> dict[str, Any]:
    """Return the payloads of a content by stage. Stages that are not installed are left out."""
    found = {}
    for name, payload in store.results.payloads(content).items():
        stage = registry.find(name)
        if stage is not None:
            with _isolated(stage):
                found[name] = stage.decode(payload)
    return found


def payload(store: Store, content: int, name: str) -> Any:
    """Return the payload of one stage of imgret's own; None if there is none."""
    found = store.results.payloads(content).get(name)
    return None if found is None else _stage(name).decode(found)


def described(store: Store, content: int) -> dict[str, Any]:
    """Return the payloads of a content, with the tags that the user imported among its metadata."""
    found = payloads(store, content)
    imported = store.results.imported_tags(content)
    if imported:
        found[METADATA] = with_tags(found.get(METADATA) or Metadata(), imported)
    return found


def texts(name: str, payload: str) -> Mapping[str, str]:
    """Return the texts by column of a result of the stage `name`; `payload` is its JSON."""
    stage = registry.find(name)
    if stage is not None:
        with _isolated(stage):
            return stage.texts(stage.decode(payload))
    return {}


def shown(results: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys that results add to the JSON of a photo: always those of imgret's own stages, and those of
    other stages that have a result. A reserved key of another stage is left out.
    """
    keys: dict[str, Any] = {}
    for stage in registry.own().stages:
        keys |= stage.json(results.get(stage.name))
    others = [name for name in results if name not in registry.own()]
    if others:  # only these need the entry points, which are slow to read
        for stage in registry.installed().stages:
            if stage.name in others:
                with _isolated(stage):
                    keys = {**stage.json(results[stage.name]), **keys}
    return {key: value for key, value in keys.items() if key not in RESERVED_KEYS}


def rows(keys: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return (label, text) rows that show results to people; `keys` is the output of `shown`."""
    return _of_each(keys, lambda stage: stage.rows(keys))


def why(keys: Mapping[str, Any], word: str, matching: LabelMatcher) -> list[str]:
    """Return the texts of the stages for a query word that matched; `keys` is the output of `shown`."""
    return _of_each(keys, lambda stage: stage.why(keys, word, matching))


def why_contained(keys: Mapping[str, Any], part: str) -> list[str]:
    """Return the texts of the stages for a part of the text in the image; `keys` is the output of `shown`."""
    return _of_each(keys, lambda stage: stage.why_contained(keys, part))


def outlines(keys: Mapping[str, Any], reasons: Collection[str]) -> tuple[Corners, ...]:
    """Return where in the image the things stand that `reasons`, the *why* of a hit, name."""
    return tuple(_of_each(keys, lambda stage: stage.outlines(keys, reasons)))


def _of_each(keys: Mapping[str, Any], shown_by: Callable[[Stage], Iterable[T]]) -> list[T]:
    """Join what each stage shows whose keys are there."""
    found: list[T] = []
    for stage in _stages_of(keys):
        with _isolated(stage):
            if keys.keys() >= stage.json(None).keys():
                found += shown_by(stage)
    return found


def _stages_of(keys: Mapping[str, Any]) -> tuple[Stage, ...]:
    """Return the stages that may have added these keys. Entry points are read only for keys of other packages."""
    return (registry.own() if keys.keys() <= _own_keys() else registry.installed()).stages


@cache
def _own_keys() -> frozenset[str]:
    return frozenset(shown({}))


@contextmanager
def _isolated(stage: Stage) -> Iterator[None]:
    """Log an error of a stage of another package and leave out its output; raise one of imgret's own stages."""
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
