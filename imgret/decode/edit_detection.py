"""Whether one picture is an edit of another: by their pixels, their capture times, their cameras, their looks."""

from __future__ import annotations

from msgspec import Struct

from imgret.decode.perceptual import SAME_PICTURE, similarity
from imgret.photo import Facts

DAY = 86400  # seconds


class Traits(Struct, frozen=True):
    """What is known of a picture; all None before it was decoded."""

    facts: Facts | None = None
    pixels: bytes | None = None  # BLAKE3 of the upright pixels
    look: bytes | None = None  # `perceptual.signature`


def is_edit(before: Traits, after: Traits, *, same_file: bool) -> bool:
    """Whether `after`, found where `before` lay, shows the same photo. In doubt it does not.

    `same_file`: the file was written to, not replaced by another one. That decides where nothing else tells.
    """
    if before.pixels is not None and before.pixels == after.pixels:
        return True
    was, now = before.facts or Facts("", 0, 0), after.facts or Facts("", 0, 0)
    if was.camera and now.camera and was.camera != now.camera:
        return False
    if was.taken_at is not None and now.taken_at is not None:
        if was.taken_at != now.taken_at:
            return False
        if was.subsecond is not None and now.subsecond is not None:
            return was.subsecond == now.subsecond
        if was.taken_at % DAY:  # else it is a date alone, which many scans share: their looks decide
            return True
    if before.look and after.look and similarity(before.look, after.look) >= SAME_PICTURE:
        return True
    return same_file and now.taken_at is None  # editors drop the capture time; none invents one
