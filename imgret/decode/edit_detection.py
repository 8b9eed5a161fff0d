"""Decide whether one photo is an edit of another, by pixels, capture time, camera and perceptual signature."""

from __future__ import annotations

from msgspec import Struct

from imgret.decode.perceptual import SAME_IMAGE, similarity
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
    same = same_shot(before.facts or Facts("", 0, 0), after.facts or Facts("", 0, 0))
    if same is not None:
        return same
    if before.signature and after.signature and similarity(before.signature, after.signature) >= SAME_IMAGE:
        return True
    # Editors may drop the capture time; none adds one.
    return same_file and (after.facts is None or after.facts.taken_at is None)


def same_shot(one: Facts, other: Facts) -> bool | None:
    """Return whether two pictures are of one shot, by camera and capture time; None where these are not conclusive."""
    if one.camera and other.camera and one.camera != other.camera:
        return False
    if one.taken_at is None or other.taken_at is None:
        return None
    if one.taken_at != other.taken_at:
        return False
    if one.subsecond is not None and other.subsecond is not None:
        return one.subsecond == other.subsecond
    # Midnight means a date alone, which many scans share: compare signatures instead.
    return True if one.taken_at % DAY else None
