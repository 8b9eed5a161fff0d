"""Decodes hits from the JSON lines, version 1, that `imgret query --json` and the daemon write."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec import Struct

from imgret.errors import DaemonError
from imgret.geography.gazetteer import Place
from imgret.photo import Hit, TextLine


class _Path(Struct):
    path: str
    path_bytes: str | None = None


class _Line(_Path):
    rank: int = 0
    score: float = 0.0
    cosine: float | None = None
    confidence: float | None = None
    strength: str | None = None
    v: int = 1
    note: str | None = None
    taken_at: str | None = None
    taken_precision: str | None = None
    width: int | None = None
    height: int | None = None
    online: bool = True
    why: tuple[str, ...] = ()
    copies: int = 0  # how many other paths
    other_paths: tuple[_Path, ...] = ()


class _OwnKeys(Struct):
    """The keys of imgret's own stages."""

    caption: str | None = None
    captions: list[str] = []
    objects: dict[str, int] = {}
    topics: list[str] = []
    text: list[TextLine] = []
    metadata: dict[str, Any] | None = None
    place: Place | None = None


_decoder = msgspec.json.Decoder(dict[str, Any])
# Prepare the types before threads begin, see `imgret.decode.decoder_handle`.
_PREPARED = msgspec.json.Decoder(_Line), msgspec.json.Decoder(_OwnKeys)
_OWN_KEYS = frozenset(_OwnKeys.__struct_fields__)


def decode_hits(lines: bytes) -> tuple[Hit, ...]:
    """The hits, one a line; keys of stages that are not installed are ignored.

    Raises DaemonError for a line that is not a hit.
    """
    try:
        return tuple(_hit(_decoder.decode(line)) for line in lines.splitlines() if line)
    except (msgspec.MsgspecError, ValueError) as error:
        raise DaemonError(f"the search returned a line that is not a hit: {error}") from None


def _hit(keys: dict[str, Any]) -> Hit:
    line = msgspec.convert(keys, _Line)
    shown = msgspec.to_builtins(msgspec.convert(keys, _OwnKeys))
    others = keys.keys() - _OWN_KEYS - set(_Line.__struct_fields__)
    if others:
        from imgret.stages import registry

        registry.installed()  # read here, not on the thread that draws
        shown |= {key: keys[key] for key in others}
    return Hit(
        rank=line.rank,
        content=0,
        path=_path_bytes(line),
        score=line.score,
        cosine=line.cosine,
        confidence=line.confidence,
        strength=line.strength,
        shown=shown,
        note=line.note,
        taken_at=_seconds(line.taken_at),
        taken_precision=line.taken_precision,
        width=line.width,
        height=line.height,
        online=line.online,
        why=line.why,
        other_paths=tuple(_path_bytes(other) for other in line.other_paths),
    )


def _path_bytes(line: _Path) -> bytes:
    if line.path_bytes is not None:
        return base64.b64decode(line.path_bytes, validate=True)
    return line.path.encode()


def _seconds(taken_at: str | None) -> int | None:
    """Seconds since 1970 of a wall clock time, taken as UTC, as in `imgret.photo.Hit`."""
    if taken_at is None:
        return None
    return int(datetime.fromisoformat(taken_at).replace(tzinfo=UTC).timestamp())
