"""Build an index that contains exactly a data set's photos, and from it one index for each recipe.

The recipes use different results of the same photos: the counts, the captions, the vector of the image. So the photos
are described once, in a *base* index without vectors of texts. Each recipe has an index of its own: its part of those
results is copied there, and only the embedding of texts is computed. All of them are ordinary indexes, filled and searched by
the same code as a user's library.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from imgret import stage_results
from imgret.decode.hashing import content_hash
from imgret.errors import PhotoError, UsageError
from imgret.evaluate.recipe import Recipe
from imgret.photo import FileStat, ModelIdentity, file_stat_of
from imgret.stages import passage, registry
from imgret.stages.interface import DECODE, Result
from imgret.store import paths, records
from imgret.store.interface import Store

EMBED = "embed"  # the stage of the text vectors
MARK = "evaluates"  # the setting that distinguishes an index for evaluation from a user's library
COMMIT = 256  # files per transaction
ABSENT = FileStat(0, 0, 0, 0)  # of a file that does not exist: another one is hashed once it does

Gallery = Mapping[bytes, int | None]  # path -> content; None for a file that cannot be read


def reserve(store: Store, name: str) -> None:
    """Mark an index as one for evaluation. Raises UsageError for a user's library, whose photos would be deleted."""
    if store.setting(MARK) is None and store.roots.all():
        raise UsageError(
            f"{store.path} is the index of a photo library and cannot be used for an evaluation",
            "Choose another file with --index.",
        )
    store.remember(MARK, name)


def synchronize(
    store: Store,
    paths: Sequence[bytes],
    stages: Collection[str] = (),
    on_progress: Callable[[int], None] = lambda _: None,
) -> Gallery:
    """Make the index contain exactly these files (absolute paths), and queue `stages` for new contents.

    A file that does not exist is a content without stages: there are stand-ins for its results.
    """
    where = {path: canonical(path) for path in paths}
    _root(store, where.values())
    gallery: dict[bytes, int | None] = {}
    for begun in range(0, len(paths), COMMIT):
        with store.writing():
            for path in paths[begun : begun + COMMIT]:
                gallery[path] = _save_file(store, where[path], stages)
        on_progress(min(begun + COMMIT, len(paths)))
    wanted = set(where.values())
    with store.writing():
        for path in indexed_paths(store) - wanted:
            root, folder, name = _place(store, path)
            store.photos.mark_deleted(root.id, folder, [name], int(time.time()))
    return gallery


def indexed_paths(store: Store) -> set[bytes]:
    """Return the paths of all photos that are not deleted."""
    return {
        paths.join(root.path, folder, name)
        for root in store.roots.all()
        for folder in store.photos.known_folders(root.id)
        for name in store.photos.known(root.id, folder)
    }


def derive(
    source: Store,
    target: Store,
    gallery: Gallery,
    recipe: Recipe,
    embedder: ModelIdentity | None,
    without: Collection[ModelIdentity] = (),
) -> Gallery:
    """Fill the index of a recipe from the base index `source` with the contents in `gallery`. Return its own gallery.

    Results made by `without` are left out, and dropped if they were copied before. Contents whose texts changed, or that
    `embedder` has not embedded, are queued for embedding; none are if it is None.
    """
    derived = synchronize(target, list(gallery))
    pairs = {
        content: copy for path, content in gallery.items() if content is not None and (copy := derived[path])
    }
    theirs = makers(source, pairs)
    wanted = {stage: set(theirs[stage]) - set(without) for stage in recipe.stages}
    for stage, ours in makers(target, pairs.values()).items():
        if stage not in (DECODE, EMBED) and set(ours) - wanted.get(stage, set()):
            target.forget_stage(stage)  # made by another model
    target.text_columns.set([column for column in source.text_columns.all() if column.stage is not None])
    read = set(registry.own()[EMBED].stages)
    with target.writing():
        for content, copy in pairs.items():
            changed = _copied(source, content, target, copy, wanted)
            outdated = target.results.identities(copy).get(EMBED) != embedder
            if embedder is not None and (outdated or not read.isdisjoint(changed)):
                target.work.queue(copy, [EMBED])
    for stage, identities in wanted.items():
        for identity in identities:
            target.vectors.activate_when_complete(identity, stage)
    return derived


def canonical(path: bytes) -> bytes:
    """Return the path as it is stored in the index: symlinks of its folders resolved, not of the photo itself."""
    folder, name = os.path.split(path)
    return os.path.join(os.path.realpath(folder), name)


def passages(store: Store, contents: Iterable[int]) -> dict[int, str]:
    """Return the text of each content that is embedded as its passage."""
    found = {}
    for content in contents:
        known = stage_results.payloads(store, content)
        objects = passage.counts(known.get("detect") or ())
        caption = passage.first(known.get("caption"))
        found[content] = passage.passage(caption, objects, store.results.note(content))
    return found


def makers(store: Store, contents: Iterable[int]) -> dict[str, dict[ModelIdentity, int]]:
    """Return for each stage the models that produced its results, with the number of results of each."""
    found: dict[str, dict[ModelIdentity, int]] = {
        stage: {} for stage in (DECODE, *registry.installed().names)
    }
    for content in contents:
        for stage, identity in store.results.identities(content).items():
            if stage in found:
                found[stage][identity] = found[stage].get(identity, 0) + 1
    return found


def _root(store: Store, paths: Iterable[bytes]) -> None:
    above = os.path.commonpath([os.path.dirname(path) for path in paths])
    if store.roots.enclosing(above) is None:
        store.roots.add(above)


def _place(store: Store, path: bytes) -> tuple[records.Root, bytes, bytes]:
    place = store.roots.root_of(path)
    assert place is not None
    return place


def _save_file(store: Store, path: bytes, stages: Collection[str]) -> int | None:
    """Save a file and return its content; it is hashed only if its FileStat changed. None if it cannot be read."""
    root, folder, name = _place(store, path)
    now = int(time.time())
    try:
        seen = file_stat_of(os.stat(path))
    except OSError:  # there is no such file, or no file can have this name
        seen, stages = ABSENT, ()
    known = store.photos.find(path)
    if known is not None and known.gone_at is None and known.file_stat == seen and known.content is not None:
        return known.content
    try:
        hash_ = content_hash(path) if seen is not ABSENT else _hash_of_path(path)
    except PhotoError as error:
        store.photos.save_unreadable(root.id, folder, name, seen, str(error), now)
        return None
    content, new = store.photos.save(root.id, folder, name, seen, hash_, now)
    if new:
        store.work.queue(content, stages)
    store.results.refresh_words(content)
    return content


def _hash_of_path(path: bytes) -> bytes:
    """Return the hash, 32 bytes, of the content of a file that does not exist."""
    return hashlib.blake2b(b"absent\0" + path, digest_size=32).digest()


def _copied(
    source: Store,
    content: int,
    target: Store,
    copy: int,
    wanted: Mapping[str, Collection[ModelIdentity]],
) -> set[str]:
    """Copy the results that the models in `wanted` made, by stage. Return the stages whose results changed."""
    known, made = stage_results.payloads(source, content), source.results.identities(content)
    before, made_before = stage_results.payloads(target, copy), target.results.identities(copy)
    changed = {
        stage
        for stage, identities in wanted.items()
        if made.get(stage) in identities
        and (made[stage], known.get(stage)) != (made_before.get(stage), before.get(stage))
    }
    for stage in changed:
        vectors = _vectors(source, content, stage, made[stage])
        stage_results.save(target, copy, stage, made[stage], Result(known[stage], vectors))
    if changed:
        target.results.refresh_words(copy)
    return changed


def _vectors(store: Store, content: int, stage: str, made: ModelIdentity) -> dict[str, NDArray[np.float32]]:
    """Return the vectors of a result by view; none if the vectors of the stage are still those of another model."""
    space, views = store.vectors.active_space(stage), registry.installed()[stage].views
    if not views or space is None or space.identity != made:
        return {}
    found = store.vectors.of(space, np.array([content]), views)
    return {view: rows[0] for view, rows in found.items() if not np.isnan(rows[0, 0])}
