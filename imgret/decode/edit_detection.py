"""Decide whether one photo is an edit of another, by pixels, capture time, camera and perceptual signature."""

from __future__ import annotations

from msgspec import Struct

from imgret.decode.perceptual import SAME_PICTURE, similarity
from imgret.photo import Facts

DAY = 86400  # seconds


class Traits(Struct, frozen=True):
    """The properties of a photo that are compared. All are None for a photo that was never decoded."""

    facts: Facts | None = None
    pixels: bytes | None = None  # BLAKE3 of the upright pixels
    signature: bytes | None = None  # `perceptual.look`


def is_edit(before: Traits, after: Traits, *, same_file: bool) -> bool:
    """Return whether `after`, found at the path where `before` was, is an edit of it. In doubt, return False.

    `same_file`: the file was overwritten in place, not replaced by another one. It decides only where the other
    properties are not conclusive.
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
        if (
            was.taken_at % DAY
        ):  # midnight means a date alone, which many scans share: compare signatures instead
            return True
    if before.signature and after.signature and similarity(before.signature, after.signature) >= SAME_PICTURE:
        return True
    return same_file and now.taken_at is None  # editors may drop the capture time; none adds one
