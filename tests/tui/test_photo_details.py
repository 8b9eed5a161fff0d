"""The lines about the photo under the cursor."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from textual.content import Content

from imgret.photo import Hit
from imgret_tui.search_backend import PhotoDetails
from imgret_tui.widgets.photo_details import DetailsRow, details_rows, fitted_lines


def test_all_details_of_a_photo() -> None:
    hit = Hit(
        rank=1, content=1, path=b"/photos/a\x1b.jpg", score=1.0, cosine=0.5, confidence=0.62, strength="fair",
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
    assert [row.line.plain for row in details_rows(hit, known, "dog")] == [
        "a dog",
        "why     two dog",
        "match   fair (0.62)",
        "note    grandma's dog",
        "also    a puppy",
        "objects 2 dogs",
        "topics  diaries & daily life",
        "photo   1970-01-02 · Pixel · 640 x 480, 1.2 MB",
        "path    /photos/a\ufffd.jpg",
        "gps     33.8568° S, 151.2153° E",
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
    assert [row.line.plain for row in details_rows(hit, known, "")][: len(lines)] == lines


ROWS = st.tuples(st.sampled_from(["", "why", "place", "path"]), st.text("ab /京", min_size=1, max_size=60))


@given(st.lists(ROWS, max_size=8), st.integers(20, 60), st.integers(0, 12))
def test_rows_fit_into_the_pane(rows: list[tuple[str, str]], width: int, height: int) -> None:
    known = [DetailsRow(label, Content(text), is_path=label == "path") for label, text in rows]
    lines = fitted_lines(known, width, height)
    assert len(lines) <= height
    assert all(cell_len(line.plain.rstrip()) <= width for line in lines)


def test_what_is_wrapped_begins_behind_its_label() -> None:
    rows = [
        DetailsRow("", Content("a dog on a beach")),
        DetailsRow("place", Content("Mitte, Berlin")),
        DetailsRow("path", Content("~/photos/2019/rome/IMG_1.jpeg"), is_path=True),
    ]
    assert [line.plain.rstrip() for line in fitted_lines(rows, 16, 9)] == [
        "a dog on a beach",
        "place   Mitte,",
        "        Berlin",
        "path    ~/photos",
        "        /2019/ro",
        "        me/IMG_1",
        "        .jpeg",
    ]
    assert [line.plain.rstrip() for line in fitted_lines(rows, 22, 3)] == [
        "a dog on a beach",
        "place   Mitte, Berlin",
        "path    ~/ph…MG_1.jpeg",
    ]


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
    lines = [row.line.plain for row in details_rows(hit, PhotoDetails(size=size), "")]
    assert f"photo   {text}" in lines
