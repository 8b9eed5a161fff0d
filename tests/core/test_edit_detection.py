"""`is_edit`: whether one photo is an edit of another."""

from __future__ import annotations

import pytest

from imgret.decode.edit_detection import Traits, is_edit
from imgret.decode.exif import facts, subsecond
from imgret.decode.perceptual import GRID, signature
from imgret.photo import Facts

NOON = 1588334400
MIDNIGHT = 1588291200
ONE = signature(bytes((x * y * 7 + x * 5) % 256 for x in range(GRID) for y in range(GRID)))
OTHER = signature(bytes((x * x * 3 + y * 11) % 256 for x in range(GRID) for y in range(GRID)))


def traits(
    look: bytes, taken: int | None = None, subsecond: str | None = None, camera: str | None = "X"
) -> Traits:
    return Traits(Facts("JPEG", 4, 3, taken, camera, subsecond=subsecond), b"\1" * 32, look)


@pytest.mark.parametrize(
    ("before", "after", "edit"),
    [
        (traits(ONE, NOON, "12"), traits(OTHER, NOON, "12"), True),  # cropped, painted over
        (traits(ONE, NOON, "12"), traits(ONE, NOON, "57"), False),  # two photos of a burst
        (traits(ONE, NOON, "12"), traits(OTHER, NOON), True),  # the editor dropped the fraction
        (traits(ONE, NOON), traits(OTHER, NOON, "12"), True),
        (traits(ONE, NOON), traits(OTHER, NOON + 1), False),
        (traits(ONE, MIDNIGHT), traits(OTHER, MIDNIGHT), False),  # two scans with a date but no time
        (traits(ONE, NOON, camera="X"), traits(OTHER, NOON, camera="Y"), False),
        (traits(ONE), traits(OTHER), False),
    ],
)
def test_is_edit(before: Traits, after: Traits, edit: bool) -> None:
    distinct = Traits(after.facts, bytes(32), after.signature)
    assert is_edit(before, distinct, same_file=False) is edit


def test_similar_scans_of_one_day_are_the_same_photo() -> None:
    again = Traits(Facts("JPEG", 4, 3, MIDNIGHT), bytes(32), ONE)
    assert is_edit(traits(ONE, MIDNIGHT), again, same_file=False)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("120", "12"),
        ("12 \0", "12"),
        ("000", "0"),
        ("", None),
        ("x1", None),
        (None, None),
        (5, None),
        ("٣", None),
    ],
)
def test_subsecond(written: object, read: str | None) -> None:
    assert subsecond(written) == read


def test_the_fraction_belongs_to_the_accepted_time() -> None:
    photo = {
        0x9003: "0000:00:00 00:00:00",
        0x9291: "11",
        0x9004: "2020:01:02 03:04:05",
        0x9292: "220",
        0x9290: "33",
    }
    assert facts("JPEG", (1, 1), {}, photo, {}).subsecond == "22"
    assert facts("JPEG", (1, 1), {0x0132: "2020:01:02 03:04:05"}, {0x9290: "33"}, {}).subsecond == "33"
    assert facts("JPEG", (1, 1), {}, {0x9291: "11"}, {}).subsecond is None
