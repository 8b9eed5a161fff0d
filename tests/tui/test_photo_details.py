"""The lines about the photo under the cursor."""

import pytest

from imgret.photo import Hit
from imgret_tui.search_backend import PhotoDetails
from imgret_tui.widgets.photo_details import details_lines


def test_all_details_of_a_photo() -> None:
    hit = Hit(
        rank=1, content=1, path=b"/photos/a\x1b.jpg", score=1.0, cosine=0.5, strength="fair",
        shown={"caption": "a dog", "captions": ["a dog", "a puppy"], "objects": {"dog": 2}, "topics": ["diaries_&_daily_life"]},
        note="grandma's\ndog", taken_at=86400, width=640, height=480, online=False, why=("two dog",), other_paths=(b"/photos/copy.jpg",),
    )  # fmt: skip
    known = PhotoDetails(
        state="failed",
        reason="no topics yet",
        size=1_234_567,
        camera="Pixel",
        latitude=-33.8568,
        longitude=151.2153,
    )
    assert [line.plain for line in details_lines(hit, known, "dog")] == [
        "a dog",
        "why     two dog",
        "match   fair (0.500)",
        "also    a puppy",
        "objects 2 dogs",
        "topics  diaries & daily life",
        "photo   1970-01-02 · Pixel · 640 x 480, 1.2 MB",
        "gps     33.8568° S, 151.2153° E",
        "note    grandma's dog",
        "path    /photos/a\ufffd.jpg",
        "copy    /photos/copy.jpg",
        "offline: its disk is not mounted",
        "failed: no topics yet",
    ]


@pytest.mark.parametrize(
    ("awaits_caption", "lines"), [(True, ["a.jpg", "not described yet"]), (False, ["a.jpg"])]
)
def test_a_photo_is_not_described_yet_only_if_a_caption_will_follow(
    awaits_caption: bool, lines: list[str]
) -> None:
    hit = Hit(
        rank=1, content=1, path=b"/a.jpg", score=1.0, cosine=None, strength="fair",
        shown={"caption": None, "captions": [], "objects": {}, "topics": []}, note=None, taken_at=None,
        width=4, height=3, online=True, why=(),
    )  # fmt: skip
    known = PhotoDetails(awaits_caption=awaits_caption)
    assert [line.plain for line in details_lines(hit, known, "")][: len(lines)] == lines


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (999_400, "999 kB"),
        (999_700, "1.0 MB"),
        (12_345_678, "12.3 MB"),
    ],
)
def test_a_size_has_three_digits_at_most(size: int, text: str) -> None:
    hit = Hit(
        rank=1, content=1, path=b"/a.jpg", score=1.0, cosine=None, strength="fair", shown={"caption": None},
        note=None, taken_at=None, width=None, height=None, online=True, why=(),
    )  # fmt: skip
    lines = [line.plain for line in details_lines(hit, PhotoDetails(size=size), "")]
    assert f"photo   {text}" in lines
