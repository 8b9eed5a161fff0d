"""Formats the state of a photo: JSON for programs, text without control characters for people."""

from __future__ import annotations

import os
from collections.abc import Sequence

import msgspec

from imgret import disk_calls, stage_results
from imgret.disk_calls import NotResponding
from imgret.photo_state import PhotoState
from imgret.search.hit_json import dated, taken
from imgret.search.hit_json import path as path_fields
from imgret.terminal.clean import clean, escaped

# Where a date comes from, if not from the camera.
_SOURCES = {
    "xmp": ", by its XMP",
    "iptc": ", by its IPTC",
    "sidecar": ", by a sidecar",
    "name": ", by its name",
    "folder": ", by its folder",
    "mtime": ", by the time of the file",
}
MOST_SIMILAR = 8  # near-duplicates that a person is shown


def state_line(state: PhotoState, similar: Sequence[bytes] = ()) -> bytes:
    """Return the JSON of `imgret show`: the keys of a hit without its score, and `state`, `reason`, `models`.

    `similar` are the paths of near-duplicates.
    """
    facts = state.facts
    fields: dict[str, object] = {
        "v": 1,
        **path_fields(state.path),
        "state": state.state,
        "reason": state.reason,
    }
    fields |= {
        **stage_results.shown({}),
        **state.shown,
        "note": state.note,
        "taken_at": taken(state.date.at) if state.date else None,
        "taken_precision": state.date.precision if state.date else None,
        "taken": dated(state.date) if state.date else None,
        "taken_source": state.date.source if state.date else None,
        "width": facts.width if facts else None,
        "height": facts.height if facts else None,
        "format": facts.format if facts else None,
        "camera": facts.camera if facts else None,
        "latitude": facts.latitude if facts else None,
        "longitude": facts.longitude if facts else None,
        "truncated": facts.truncated if facts else None,
        "online": state.photo.online if state.photo else _exists(state.path),
        "models": state.models,
        "waiting": list(state.waiting),
        "other_paths": [path_fields(path) for path in state.other_paths],
        "similar_paths": [path_fields(path) for path in similar],
    }
    return escaped(msgspec.json.encode(fields))


def _exists(path: bytes) -> bool:
    try:
        return disk_calls.call(path, lambda: os.path.exists(path))
    except NotResponding:
        return False


def state_text(state: PhotoState, similar: Sequence[bytes] = ()) -> list[str]:
    """Return the state as lines of text for a person, without control characters."""
    facts = state.facts
    lines = [
        clean(state.path),
        f"  state    {state.state}" + (f": {state.reason}" if state.reason else ""),
    ]
    lines += [f"  {label:<8} {text}" for label, text in stage_results.rows(state.shown)]
    if state.note:
        lines.append(f"  note     {state.note}")
    if facts:
        cut = ", truncated: the end of the file is missing" if facts.truncated else ""
        lines.append(f"  picture  {facts.width} x {facts.height} {facts.format}{cut}")
        if state.date is not None:
            lines.append(f"  taken    {dated(state.date)}{_SOURCES.get(state.date.source, '')}")
        if facts.camera:
            lines.append(f"  camera   {facts.camera}")
        if facts.latitude is not None:
            lines.append(f"  gps      {facts.latitude:.5f}, {facts.longitude:.5f}")
    lines += [f"  also at  {clean(path)}" for path in state.other_paths]
    lines += [f"  similar  {clean(path)}" for path in similar[:MOST_SIMILAR]]
    if len(similar) > MOST_SIMILAR:
        lines.append(f"  similar  and {len(similar) - MOST_SIMILAR} more: `imgret dupes` lists them")
    for stage, identity in sorted(state.models.items()):
        lines.append(f"  {stage:<8} by {identity.name} {identity.revision[:19]}")
    return [clean(line) for line in lines]
