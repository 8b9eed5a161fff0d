"""Formats groups of copies: JSON and paths for programs, text without control characters for people."""

from __future__ import annotations

import os
from collections.abc import Iterator

import msgspec

from imgret.cli import console
from imgret.search.duplicates import Copy, Group
from imgret.search.hit_json import VERSION, taken
from imgret.search.hit_json import path as path_fields
from imgret.terminal.clean import clean, escaped


def json_line(number: int, group: Group) -> bytes:
    """Return a group as one JSON object; `number` counts the groups from 1."""
    fields = {
        "v": VERSION,
        "group": number,
        "kind": group.kind,
        "copies": [_fields(copy) for copy in group.copies],
    }
    return escaped(msgspec.json.encode(fields))


def text_lines(group: Group) -> Iterator[str]:
    """Yield the lines of a group for a person: a photo each, the best first."""
    for copy in group.copies:
        facts = copy.facts
        size = f"{facts.width} x {facts.height}" if facts else "not decoded"
        date = (taken(facts.taken_at) or "")[:10] if facts else ""
        marks = ["offline"] * (not copy.online) + ["note"] * copy.has_note
        name, folder = os.path.basename(copy.path), console.shown(os.path.dirname(copy.path))
        columns = f"{size:>13} {console.bytes_text(copy.size):>8}  {date:10}  {clean(name)}  {folder}"
        yield columns + (f"  ({', '.join(marks)})" if marks else "")


def _fields(copy: Copy) -> dict[str, object]:
    facts = copy.facts
    return {
        **path_fields(copy.path),
        "similarity": round(copy.similarity, 4),
        "size": copy.size,
        "width": facts.width if facts else None,
        "height": facts.height if facts else None,
        "format": facts.format if facts else None,
        "taken_at": taken(facts.taken_at) if facts else None,
        "camera": facts.camera if facts else None,
        "note": copy.has_note,
        "online": copy.online,
    }
