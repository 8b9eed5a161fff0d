"""What is known of a photo, in lines: JSON for programs, cleaned text for people."""

from __future__ import annotations

import os

import msgspec

from imgret import disk_calls
from imgret.disk_calls import NotAnswering
from imgret.photo_state import PhotoState
from imgret.search.hit_json import path as path_fields
from imgret.search.hit_json import taken
from imgret.terminal.clean import clean, escaped


def state_line(state: PhotoState) -> bytes:
    """The JSON of `imgret show`: a hit's keys without its score, and `state`, `reason`, `models`."""
    facts, known = state.facts, state.description
    told: dict[str, object] = {
        "v": 1,
        **path_fields(state.path),
        "state": state.state,
        "reason": state.reason,
    }
    told |= {
        "caption": known.caption,
        "objects": state.objects,
        "topics": list(known.topics or ()),
        "note": known.note,
        "taken_at": taken(facts.taken_at) if facts else None,
        "width": facts.width if facts else None,
        "height": facts.height if facts else None,
        "format": facts.format if facts else None,
        "camera": facts.camera if facts else None,
        "latitude": facts.latitude if facts else None,
        "longitude": facts.longitude if facts else None,
        "truncated": facts.truncated if facts else None,
        "online": state.photo.online if state.photo else _is_there(state.path),
        "models": {stage.value: identity for stage, identity in state.models.items()},
        "waiting": [stage.value for stage in state.waiting],
        "other_paths": [path_fields(path) for path in state.other_paths],
    }
    return escaped(msgspec.json.encode(told))


def _is_there(path: bytes) -> bool:
    try:
        return disk_calls.call(path, lambda: os.path.exists(path))
    except NotAnswering:
        return False


def state_text(state: PhotoState) -> list[str]:
    """The same for a person: cleaned lines."""
    facts, known = state.facts, state.description
    lines = [
        f"{clean(state.path)}",
        f"  state    {state.state}" + (f": {state.reason}" if state.reason else ""),
    ]
    if known.caption is not None:
        lines.append(f"  caption  {clean(known.caption)}")
    if known.detections is not None:
        objects = ", ".join(f"{count} {label}" for label, count in state.objects.items())
        lines.append(f"  objects  {clean(objects) or 'none'}")
    if known.topics:
        lines.append(f"  topics   {clean(', '.join(known.topics))}")
    if known.note:
        lines.append(f"  note     {clean(known.note)}")
    if facts:
        cut = ", truncated: the end of the file is missing" if facts.truncated else ""
        lines.append(f"  picture  {facts.width} x {facts.height} {clean(facts.format)}{cut}")
        if facts.taken_at is not None:
            lines.append(f"  taken    {taken(facts.taken_at)}")
        if facts.camera:
            lines.append(f"  camera   {clean(facts.camera)}")
        if facts.latitude is not None:
            lines.append(f"  place    {facts.latitude:.5f}, {facts.longitude:.5f}")
    lines += [f"  also at  {clean(path)}" for path in state.other_paths]
    for stage, identity in sorted(state.models.items()):
        lines.append(f"  {stage.value:<8} by {clean(identity.name)} {clean(identity.revision[:19])}")
    return [clean(line) for line in lines]
