"""An index that holds exactly a data set's photos, and from it one index for each recipe.

The three recipes embed three texts of the same photos: the counts alone, the caption alone, and both. So
the photos are captioned and detected once, in a *base* index that has no vectors; and each recipe has an
index of its own, to which its part of those results is copied and which only has to be embedded. Every one
of them is an ordinary index, filled by the ordinary ingest and asked by the ordinary search.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from imgret.decode.hashing import content_hash, fingerprint
from imgret.errors import PhotoError, UsageError
from imgret.evaluate.recipe import Recipe
from imgret.photo import Description, ModelIdentity, Stage
from imgret.stages import passage
from imgret.store.sqlite import photos, results, roots, work
from imgret.store.sqlite.connection import Index

MARK = "evaluates"  # the setting that tells an index of ours from somebody's library
COMMIT = 256  # files a transaction

Gallery = Mapping[bytes, int | None]  # path -> content; None for a file that cannot be read


def claim(index: Index, name: str) -> None:
    """Take an index for evaluating. UsageError for one that holds somebody's photos: they would be buried."""
    if index.setting(MARK) is None and roots.roots(index):
        raise UsageError(f"{index.path} is a library of photos", "Name another file with --index.")
    index.remember(MARK, name)


def hold(
    index: Index,
    paths: Sequence[bytes],
    stages: Collection[Stage] = (),
    on_progress: Callable[[int], None] = lambda _: None,
) -> Gallery:
    """Let the index hold these files (absolute) and no others; `stages` of new contents are queued."""
    where = {path: resolved(path) for path in paths}
    _root(index, where.values())
    gallery: dict[bytes, int | None] = {}
    for begun in range(0, len(paths), COMMIT):
        with index.writing():
            for path in paths[begun : begun + COMMIT]:
                gallery[path] = _taken(index, where[path], stages)
        on_progress(min(begun + COMMIT, len(paths)))
    wanted = set(where.values())
    with index.writing():
        for path in held(index) - wanted:
            root, folder, name = _place(index, path)
            photos.bury(index, root.id, folder, [name], int(time.time()))
    return gallery


def held(index: Index) -> set[bytes]:
    """The paths of all living photos."""
    return {
        roots.join(root.path, folder, name)
        for root in roots.roots(index)
        for folder in photos.known_folders(index, root.id)
        for name in photos.known(index, root.id, folder)
    }


def derive(
    source: Index, target: Index, gallery: Gallery, recipe: Recipe, embedder: ModelIdentity | None
) -> Gallery:
    """Fill the index of a recipe from the base, `source`, whose contents `gallery` has. -> its own gallery.

    What was copied anew, or never embedded by `embedder`, is queued to be embedded.
    """
    derived = hold(target, list(gallery))
    with target.writing():
        for path, content in gallery.items():
            copy = derived[path]
            if content is not None and copy is not None:
                changed = _copied(source, content, target, copy, recipe.stages)
                if changed or results.identities(target, copy).get(Stage.EMBED) != embedder:
                    work.queue(target, copy, [Stage.EMBED])
    return derived


def resolved(path: bytes) -> bytes:
    """A path as the index has it: its folders resolved, the photo itself not."""
    folder, name = os.path.split(path)
    return os.path.join(os.path.realpath(folder), name)


def passages(index: Index, contents: Iterable[int]) -> dict[int, str]:
    """The text of each content that is embedded as its passage."""
    found = {}
    for content in contents:
        known = results.description(index, content)
        objects = passage.counts(known.detections or ())
        found[content] = passage.passage(known.caption or "", objects, known.note)
    return found


def makers(index: Index, contents: Iterable[int]) -> dict[Stage, dict[ModelIdentity, int]]:
    """Which models made the results of each stage, and how many each."""
    found: dict[Stage, dict[ModelIdentity, int]] = {stage: {} for stage in Stage}
    for content in contents:
        for stage, identity in results.identities(index, content).items():
            found[stage][identity] = found[stage].get(identity, 0) + 1
    return found


def _root(index: Index, paths: Iterable[bytes]) -> None:
    above = os.path.commonpath([os.path.dirname(path) for path in paths])
    if roots.enclosing(index, above) is None:
        roots.add(index, above)


def _place(index: Index, path: bytes) -> tuple[roots.Root, bytes, bytes]:
    place = roots.root_of(index, path)
    assert place is not None
    return place


def _taken(index: Index, path: bytes, stages: Collection[Stage]) -> int | None:
    """The content of a file, hashed if its fingerprint is not the known one."""
    root, folder, name = _place(index, path)
    now = int(time.time())
    status = os.stat(path)
    seen = fingerprint(status)
    known = photos.find(index, path)
    if (
        known is not None
        and known.gone_at is None
        and known.fingerprint == seen
        and known.content is not None
    ):
        return known.content
    try:
        hash_ = content_hash(path)
    except PhotoError as error:
        photos.save_unreadable(index, root.id, folder, name, seen, str(error), now)
        return None
    content, new = photos.save(index, root.id, folder, name, seen, hash_, now)
    if new:
        work.queue(index, content, stages)
    results.refresh_words(index, content)
    return content


def _copied(source: Index, content: int, target: Index, copy: int, stages: Collection[Stage]) -> bool:
    """Copy the results of `stages`. -> was any of them another before?"""
    known, made = results.description(source, content), results.identities(source, content)
    before, made_before = results.description(target, copy), results.identities(target, copy)
    changed = {
        stage
        for stage in stages
        if stage in made
        and (made[stage], _told(known, stage)) != (made_before.get(stage), _told(before, stage))
    }
    if Stage.CAPTION in changed:
        results.save_caption(target, copy, made[Stage.CAPTION], known.caption or "")
    if Stage.DETECT in changed:
        found = known.detections or ()
        results.save_detections(target, copy, made[Stage.DETECT], found, passage.counts(found))
    if Stage.TOPICS in changed:
        results.save_topics(target, copy, made[Stage.TOPICS], known.topics or ())
    if changed:
        results.refresh_words(target, copy)
    return bool(changed)


def _told(known: Description, stage: Stage) -> object:
    told = {Stage.CAPTION: known.caption, Stage.DETECT: known.detections, Stage.TOPICS: known.topics}
    return told[stage]
