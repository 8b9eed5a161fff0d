"""A hit as a line of JSON, version 1: one rendering for the command, the daemon and the batch."""

from __future__ import annotations

import base64
from typing import Any

import msgspec

from imgret.photo import Hit, PhotoDate
from imgret.terminal.clean import escaped

VERSION = 1


def line(hit: Hit, **more: object) -> bytes:
    """One JSON object without its newline; `more` (such as the query of a batch) follows the version.

    A path that is not UTF-8 is shown with replacement characters, and `path_bytes` has it in base64. What a
    terminal would obey is escaped.
    """
    return escaped(msgspec.json.encode({"v": VERSION, **more, **fields(hit)}))


def fields(hit: Hit) -> dict[str, Any]:
    """The JSON keys of a hit, in the documented order."""
    fields: dict[str, Any] = {
        "rank": hit.rank,
        "score": round(hit.score, 4),
        "cosine": None if hit.cosine is None else round(hit.cosine, 4),
        "confidence": None if hit.confidence is None else round(hit.confidence, 3),
        "strength": hit.strength,
        **path(hit.path),
        **hit.shown,
        "note": hit.note,
        "taken_at": taken(hit.taken_at),
        "taken_precision": hit.taken_precision,
        "width": hit.width,
        "height": hit.height,
        "online": hit.online,
        "why": hit.why,
        "copies": len(hit.other_paths),
    }
    if hit.other_paths:
        fields["other_paths"] = [path(other) for other in hit.other_paths]
    return fields


def path(name: bytes) -> dict[str, str]:
    """`path`, and `path_bytes` where the name on disk is not UTF-8."""
    try:
        return {"path": name.decode()}
    except UnicodeDecodeError:
        return {"path": name.decode(errors="replace"), "path_bytes": base64.b64encode(name).decode()}


def dated(date: PhotoDate) -> str:
    """A date as precisely as it is known, with its fraction of a second and its zone: `2019-07`, `2019-07-14T10:30:00.25+02:00`."""
    whole = taken(date.at) or ""
    if date.precision != "second":
        return whole[: {"year": 4, "month": 7}.get(date.precision, 10)]
    fraction = f".{date.subsecond}" if date.subsecond else ""
    if date.zone is None:
        return whole + fraction
    hours, minutes = divmod(abs(date.zone), 60)
    return f"{whole}{fraction}{'-' if date.zone < 0 else '+'}{hours:02}:{minutes:02}"


def taken(at: int | None) -> str | None:
    """The camera's wall clock, ISO 8601 without a zone: `2019-07-14T10:30:00`."""
    if at is None:
        return None
    from datetime import datetime, timedelta

    try:
        return (datetime(1970, 1, 1) + timedelta(seconds=at)).isoformat()
    except OverflowError:
        return None
