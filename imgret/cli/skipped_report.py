"""`imgret status --skipped`: files and folders that are left out of the index, and why."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from imgret.cli import console
from imgret.cli.index_report import MOST_FAILURES
from imgret.cli.session import Session
from imgret.disk_calls import DiskCall, NotResponding
from imgret.store import paths

if TYPE_CHECKING:
    from imgret.exclude import Exclude
    from imgret.skipped import Skipped

_SHOWN_EXTENSIONS = 8


def skipped_fields(here: Session) -> list[dict[str, Any]]:
    """Walk each available folder now. Return what was left out in each, as the JSON of `skipped`."""
    from imgret import disks
    from imgret.decode.too_large import is_too_large
    from imgret.exclude import Exclude
    from imgret.search.hit_json import path as path_fields

    rules = Exclude(here.settings.exclude, hidden=here.settings.hidden)
    folders = []
    with here.index() as store:
        large = [each.path for each in store.failures.all(MOST_FAILURES) if is_too_large(each.error)]
        for root in store.roots.all():
            if not root.online:
                continue
            offline = disks.offline_below(store, root)
            try:
                found = DiskCall(
                    root.path, root.path, functools.partial(_walked, root.path, rules, offline)
                ).result()
            except NotResponding as error:
                console.message(error.advice)
                continue
            folders.append(
                {
                    **path_fields(root.path),
                    "folders": dict(found.folders),
                    "pictures": dict(found.images),
                    "nomedia": found.nomedia,
                    "links": found.links,
                    "special": found.special,
                    "too_large": sum(paths.relative(root.path, path) is not None for path in large),
                    "not_pictures": dict(found.not_images.most_common()),
                    "unlisted": found.unlisted,
                    "unreadable": found.unreadable,
                }
            )
    return folders


def _walked(root: bytes, rules: Exclude, offline: list[bytes], call: DiskCall[Skipped]) -> Skipped:
    from imgret.skipped import skipped

    return skipped(root, rules, offline, call.touch)


def skipped_text(folders: list[dict[str, Any]]) -> list[str]:
    """Return `skipped_fields` as lines for a person. They may contain control characters."""
    lines = []
    for folder in folders:
        rows = [
            *(_row(count, "folder", reason) for reason, count in sorted(folder["folders"].items())),
            *(_row(count, "picture", reason) for reason, count in sorted(folder["pictures"].items())),
            _row(folder["nomedia"], "folder", "contains a .nomedia file"),
            _row(folder["links"], "symbolic link", "not followed"),
            _row(folder["too_large"], "picture", "too large: `imgret status` lists them"),
            _row(folder["special"], "FIFO, socket or device", ""),
            _row(folder["unlisted"], "folder", "cannot be listed"),
            _row(folder["unreadable"], "file or folder", "cannot be read"),
            _row(sum(folder["not_pictures"].values()), "other file", _extensions(folder["not_pictures"])),
        ]
        shown = [row for row in rows if row]
        lines.append(f"left out in {folder['path']}:" + ("" if shown else " nothing"))
        lines += shown
    return lines


def _row(count: int, what: str, why: str) -> str:
    if not count:
        return ""
    return f"  {console.counted(count, what)}" + (f": {why}" if why else "")


def _extensions(found: Mapping[str, int]) -> str:
    first = sorted(found.items(), key=lambda each: (-each[1], each[0]))[:_SHOWN_EXTENSIONS]
    rest = sum(found.values()) - sum(count for _, count in first)
    words = [f"{count} {extension or 'without extension'}" for extension, count in first]
    return ", ".join(words + ([f"{rest} more"] if rest else []))
