"""Photos for the conformance suite, made through the interface alone. There are no files at their paths."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import saving

from imgret.photo import Facts, FileStat, ModelIdentity, Tag
from imgret.stages import registry
from imgret.store.clauses import Filter, Tagged
from imgret.store.interface import Store
from imgret.store.records import SpaceTraits

DECODE, CAPTION, DETECT, TOPICS, EMBED = "decode", "caption", "detect", "topics", "embed"
STAGES = saving.STAGES
MODEL = ModelIdentity("model", "revision 1", "settings")
OTHER_MODEL = ModelIdentity("model", "revision 2", "settings")
NOW = 1_700_000_000  # seconds since 1970
DAY = 86_400


def digest(text: str) -> bytes:
    """A hash of 32 bytes."""
    return hashlib.blake2b(os.fsencode(text), digest_size=32).digest()


def stat(number: int = 1) -> FileStat:
    return FileStat(number, number, number, number)


def put(store: Store, path: bytes, data: str | None = None, *, number: int = 1, now: int = NOW) -> int:
    """Save that the bytes `data` are at an absolute path. The root is `/photos` unless one is there. -> content"""
    root, folder = place_of(store, path)
    found, _ = store.photos.save(
        root,
        folder,
        os.path.basename(path),
        stat(number),
        digest(os.fsdecode(path) if data is None else data),
        now,
    )
    return found


def place_of(store: Store, path: bytes) -> tuple[int, bytes]:
    """The root of a path and the folder in it. -> (root, folder)"""
    found = store.roots.enclosing(os.path.dirname(path))
    if found is None:
        found = store.roots.add(b"/photos"), os.path.dirname(path).removeprefix(b"/photos").lstrip(b"/")
    return found[0].id, found[1]


def delete(store: Store, path: bytes, now: int = NOW) -> int:
    root, folder = place_of(store, path)
    return store.photos.mark_deleted(root, folder, [os.path.basename(path)], now)


def decode(store: Store, content: int, pixels: str | None = None, **facts: Any) -> None:
    """Save the facts of a content."""
    given = Facts(facts.pop("format", "JPEG"), facts.pop("width", 40), facts.pop("height", 30), **facts)
    store.contents.save_facts(content, given, digest(pixels or f"pixels {content}"), look=None)


def save_caption(store: Store, content: int, caption: str, model: ModelIdentity = MODEL) -> None:
    payload = [caption] if caption else []
    store.results.save(content, CAPTION, model, payload, texts={"caption": caption})


def caption_of(store: Store, content: int) -> str | None:
    payload = store.results.payloads(content).get(CAPTION)
    return None if payload is None else " ".join(json.loads(payload))


def save_objects(store: Store, content: int, counts: Mapping[str, int], model: ModelIdentity = MODEL) -> None:
    tags = [Tag("object", label, count) for label, count in counts.items()]
    store.results.save(content, DETECT, model, dict(counts), tags=tags)


def save_topics(store: Store, content: int, topics: Collection[str], model: ModelIdentity = MODEL) -> None:
    tags = [Tag("topic", label) for label in topics]
    store.results.save(content, TOPICS, model, list(topics), tags=tags)


def save_vectors(store: Store, content: int, model: ModelIdentity = MODEL, **views: Any) -> None:
    """Save vectors by the name of their view."""
    space = SpaceTraits(lead="passage")
    store.results.save(content, EMBED, model, sorted(views), vectors=views, space=space)


def describe(
    store: Store,
    content: int,
    *,
    caption: str | None = None,
    objects: Mapping[str, int] | None = None,
    topics: Collection[str] | None = None,
) -> None:
    """Save what is given of a content, and its words."""
    if caption is not None:
        save_caption(store, content, caption)
    if objects is not None:
        save_objects(store, content, objects)
    if topics is not None:
        save_topics(store, content, topics)
    store.results.refresh_words(content)


def unit(*numbers: float) -> Any:
    """A vector of unit norm, float32."""
    vector = np.array(numbers, np.float32)
    return vector / np.linalg.norm(vector)


def topic(name: str) -> Filter:
    """The filter `topic:NAME`."""
    return Tagged("topic", name)


def followers(stage: str) -> frozenset[str]:
    """The stages that are to be done again after this one, directly or not."""
    return registry.installed().all_followers([stage])


def topics_of_most_photos(store: Store, count: int) -> list[str]:
    return store.facets.commonest("topic", count)


def queue_photos(store: Store, count: int, stages: frozenset[str] = STAGES) -> list[int]:
    """Add that many new photos below /p and queue their stages. Returns their contents."""
    contents = []
    for number in range(count):
        content = put(store, b"/p/%d.jpg" % number)
        store.work.queue(content, stages)
        contents.append(content)
    return contents
