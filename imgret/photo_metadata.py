"""Keep the metadata of photos in the index in step with their sidecars and paths.

A changed sidecar queues the metadata stage of the photos that it describes, and nothing else: no model runs. A photo that is
moved gets another date if its date came from its path.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime

from imgret import photo_dates
from imgret.config import Settings
from imgret.exclude import is_image
from imgret.photo import Facts, FileStat, Metadata
from imgret.photo_dates import OF_PATHS, Place
from imgret.sidecar_names import sidecar_names, stem_of
from imgret.stages import registry
from imgret.stages.interface import POSITION
from imgret.stages.metadata import NAME
from imgret.store import paths, policy
from imgret.store.interface import Store


def sidecars(store: Store, content: int) -> tuple[bytes, ...]:
    """Return the paths of the sidecars of all photos with this content, on disks that are there."""
    found: dict[bytes, None] = {}
    for photo in store.photos.paths(content):
        place = store.roots.root_of(photo.path) if photo.online else None
        if place is not None:
            root, folder, name = place
            names = store.sidecars.present(root.id, folder, sidecar_names(name))
            stem = stem_of(name)
            if names and is_image(stem) and store.photos.content_at(root.id, folder, stem) is not None:
                # `a.cr2.xmp` is that of `a.cr2` and not that of `a.cr2.jpg` beside it.
                names = [each for each in names if stem_of(each) != stem]
            found.update(dict.fromkeys(paths.join(root.path, folder, each) for each in names))
    return tuple(found)


def save_sidecars(
    store: Store, settings: Settings, root: int, folder: bytes, found: Iterable[tuple[bytes, FileStat]]
) -> int:
    """Save new and changed sidecars of a folder, and queue the metadata of their photos. Returns how many photos."""
    files = dict(found)
    with store.writing():
        for name, file_stat in files.items():
            store.sidecars.save(root, folder, name, file_stat)
        return _queue_described(store, settings, root, folder, files.keys())


def forget_sidecars(
    store: Store, settings: Settings, root: int, folder: bytes, names: Collection[bytes]
) -> int:
    """Save that sidecars were deleted, and queue the metadata of their photos. Returns how many photos."""
    with store.writing():
        store.sidecars.forget(root, folder, names)
        return _queue_described(store, settings, root, folder, frozenset(names))


def has_sidecar(store: Store, root: int, folder: bytes, name: bytes) -> bool:
    """Return whether a photo at this path has a sidecar."""
    return bool(store.sidecars.present(root, folder, sidecar_names(name)))


def queue(store: Store, settings: Settings, content: int) -> None:
    """Queue reading the metadata of a photo again."""
    if settings.wants(NAME):
        store.work.queue(content, [NAME], policy.ARRIVED)


def save_date(store: Store, settings: Settings, content: int, read: Metadata | None) -> None:
    """Save the date and the position of a photo; `read` is its metadata, None if that stage is switched off."""
    facts = store.contents.facts(content)
    if facts is None:
        return  # not decoded yet
    written = store.contents.date(content)
    if read is not None:
        written = read.taken
    elif written is not None and written.source in OF_PATHS:
        written = None
    mtime = settings.of(NAME).mtime_dates
    chosen = photo_dates.choose(written, _places(store, content), datetime.now(), mtime=mtime)
    if read is not None:
        store.contents.save_position(content, read.position)
    store.contents.save_date(content, chosen)


def save_note(
    store: Store, content: int, before: Metadata | None, read: Metadata | None, note_stages: Collection[str]
) -> bool:
    """Save the note of a sidecar as that of the photo, if it is the later one. Returns whether it was.

    `before` is the metadata that was read last, None if it was never read. A note that somebody edited in another program
    counts from the time of its file, and only once: a later change of the file that leaves it as it is does not bring
    it back. A note as imgret wrote it is restored only in an index that did not read the photo before, so a note that was
    deleted since stays deleted.
    """
    note = read.note if read is not None else None
    if note is None or not note.text.strip():
        return False
    seen = before.note.text if before is not None and before.note is not None else None
    if note.text.split() == (seen or "").split() or (before is not None and not note.edited):
        return False
    written_at = store.results.noted_at(content)
    if written_at is not None and written_at >= note.at:
        return False
    for changed in store.results.write_note(content, note.text, note.at):
        store.work.queue(changed, note_stages, policy.ARRIVED)
    return True


def elsewhere(store: Store, content: int, before: Facts | None, decoded: Facts | None) -> set[str]:
    """Return the stages whose results do not fit the position that a photo has now.

    `before` is the metadata in the index, and `decoded` that of the file. A sidecar, or a newer version of the file, may differ.
    """
    after = store.contents.facts(content)
    known = [facts.position for facts in (before, decoded) if facts is not None]
    if after is None or all(position == after.position for position in known):
        return set()
    return set(registry.installed().followers(POSITION))


def moved(store: Store, settings: Settings, content: int) -> None:
    """Choose the date again for a content whose paths have changed, if its date depends on them."""
    date = store.contents.date(content)
    if store.contents.facts(content) is None or (date is not None and date.source not in OF_PATHS):
        return
    chosen = photo_dates.choose(
        None, _places(store, content), datetime.now(), mtime=settings.of(NAME).mtime_dates
    )
    if chosen != date:
        store.contents.save_date(content, chosen)


def _queue_described(
    store: Store, settings: Settings, root: int, folder: bytes, changed: Collection[bytes]
) -> int:
    """Queue the metadata of the photos in a folder that one of these sidecars describes."""
    queued = 0
    for name in store.photos.known(root, folder):
        if not changed or not any(each in changed for each in sidecar_names(name)):
            continue
        content = store.photos.content_at(root, folder, name)
        if content is not None:
            queue(store, settings, content)
            queued += 1
    return queued


def _places(store: Store, content: int) -> list[Place]:
    places = []
    for photo in store.photos.paths(content):
        found = store.roots.root_of(photo.path)
        if found is not None:
            root, folder, name = found
            places.append(Place(root.path, folder, name, photo.file_stat.mtime_ns))
    return places
