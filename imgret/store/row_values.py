"""From rows to values, as all engines return them. Pure: the engines differ in their SQL alone."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from typing import Any

from imgret.photo import FileStat, Photo, Tag
from imgret.stages import registry
from imgret.stages.interface import POSITION
from imgret.store import path_words, paths
from imgret.store.policy import MAX_ATTEMPTS, THIS_PATH
from imgret.store.records import Failure, Progress


def photo(row: Iterable[Any]) -> Photo:
    """Return the photo of (id, root, folder, name, size, mtime_ns, ctime_ns, inode, content, online, gone_at)."""
    id_, root, folder, name, size, mtime, ctime, inode, content, online, gone_at = row
    file_stat = FileStat(size, mtime, ctime, inode)
    return Photo(id_, paths.join(root, folder, name), file_stat, content, bool(online), gone_at)


def failure(path: bytes, stage: str, error: str, attempts: int, not_before: int) -> Failure:
    """Return a failure; after `policy.MAX_ATTEMPTS` it is set aside."""
    return Failure(path, stage, named(error, path), attempts, not_before, attempts >= MAX_ATTEMPTS)


def unnamed(error: str, path: bytes) -> str:
    """Return the error of the photo at a path as it is saved for the content: it is about each copy."""
    return error.replace(os.fsdecode(path), THIS_PATH) if path else error


def named(error: str, path: bytes) -> str:
    """Return the saved error of a content for the photo at a path."""
    return error.replace(THIS_PATH, path.decode(errors="replace"))


def progress(rows: Iterable[tuple[Any, ...]]) -> Progress:
    """Return the counts in rows (stage, state, contents)."""
    contents = 0
    waiting: dict[str, int] = {}
    failed: dict[str, int] = {}
    for stage, state, count in rows:
        if state == "living":
            contents = count
        elif count:
            (waiting if state == "waiting" else failed)[stage] = count
    return Progress(contents, waiting, failed)


def stage_names(setting: str | None) -> frozenset[str]:
    """Return the names of stages in a setting, where they are separated by commas."""
    return frozenset(name for name in (setting or "").split(",") if name.isidentifier())


def name_words(rows: Iterable[tuple[Any, ...]]) -> str:
    """Return the words of the names in rows (root, folder, name), each once, in order."""
    found: dict[str, None] = {}
    for root, folder, name in rows:
        found.update(dict.fromkeys(path_words.name_words(root, folder, name).split()))
    return " ".join(found)


def label_words(rows: Iterable[tuple[Any, ...]]) -> str:
    """Return the labels in rows (label,) as words."""
    return " ".join(str(label).replace("_", " ") for (label,) in rows)


def copied_stages(source: Collection[str], target: Collection[str]) -> set[str]:
    """Return which stages with results in `source` are copied to a content with equal pixels, `target` having its own.

    Equal pixels do not mean equal metadata, and may have another position.
    """
    stages = registry.installed()
    of_file = {stage.name for stage in stages.stages if stage.from_decoder}
    return set(source) - set(target) - of_file - set(stages.followers(POSITION))


def tag_changes(
    there: Collection[Tag], add: Collection[Tag], drop: Collection[Tag]
) -> tuple[list[Tag], list[Tag]]:
    """Return the tags to delete and those to insert. Labels that differ in their case only are the same tag."""
    present = {(tag.kind, tag.label.casefold()): tag for tag in there}
    dropped = {(tag.kind, tag.label.casefold()) for tag in drop}
    added = {(tag.kind, tag.label.casefold()): tag for tag in add if tag.label}
    return (
        [tag for key, tag in present.items() if key in dropped and key not in added],
        [tag for key, tag in added.items() if key not in present],
    )
