"""Build an index that contains exactly a data set's photos, and from it one index for each recipe.

The three recipes embed different texts of the same photos: the counts, the caption, and both. So the photos are
captioned and detected once, in a *base* index without vectors. Each recipe has an index of its own: its part of those
results is copied there, and only the embedding is computed. All of them are ordinary indexes, filled and searched by
the same code as a user's library.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from imgret import stage_results
from imgret.decode.hashing import content_hash
from imgret.errors import PhotoError, UsageError
from imgret.evaluate.recipe import Recipe
from imgret.photo import ModelIdentity, file_stat_of
from imgret.stages import passage, registry
from imgret.stages.interface import DECODE, Result
from imgret.store import paths, records
from imgret.store.interface import Store

MARK = "evaluates"  # the setting that distinguishes an index for evaluation from a user's library
COMMIT = 256  # files per transaction

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
    """Make the index contain exactly these files (absolute paths), and queue `stages` for new contents."""
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
    source: Store, target: Store, gallery: Gallery, recipe: Recipe, embedder: ModelIdentity | None
) -> Gallery:
    """Fill the index of a recipe from the base index `source` with the contents in `gallery`. Return its own gallery.

    Contents whose results changed, or that `embedder` has not embedded, are queued for embedding.
    """
    derived = synchronize(target, list(gallery))
    with target.writing():
        for path, content in gallery.items():
            copy = derived[path]
            if content is not None and copy is not None:
                changed = _copied(source, content, target, copy, recipe.stages)
                if changed or target.results.identities(copy).get("embed") != embedder:
                    target.work.queue(copy, ["embed"])
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
    status = os.stat(path)
    seen = file_stat_of(status)
    known = store.photos.find(path)
    if known is not None and known.gone_at is None and known.file_stat == seen and known.content is not None:
        return known.content
    try:
        hash_ = content_hash(path)
    except PhotoError as error:
        store.photos.save_unreadable(root.id, folder, name, seen, str(error), now)
        return None
    content, new = store.photos.save(root.id, folder, name, seen, hash_, now)
    if new:
        store.work.queue(content, stages)
    store.results.refresh_words(content)
    return content


def _copied(source: Store, content: int, target: Store, copy: int, stages: Collection[str]) -> bool:
    """Copy the results of `stages`. Return whether any of them changed."""
    known, made = stage_results.payloads(source, content), source.results.identities(content)
    before, made_before = stage_results.payloads(target, copy), target.results.identities(copy)
    changed = {
        stage
        for stage in stages
        if stage in made and (made[stage], known.get(stage)) != (made_before.get(stage), before.get(stage))
    }
    for stage in changed:
        stage_results.save(target, copy, stage, made[stage], Result(known[stage]))
    if changed:
        target.results.refresh_words(copy)
    return bool(changed)
