"""Highlighted words, decoded hits, and lines of exactly the right width."""

import base64
import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style

from imgret.errors import DaemonError
from imgret.geography.gazetteer import Place
from imgret.photo import PRECISIONS, Hit, TextLine
from imgret.search.hit_json import line as rendered
from imgret.terminal.clean import clean
from imgret.terminal.highlight import highlight, query_words
from imgret.terminal.kitty import PLACEHOLDER
from imgret_tui import keymap
from imgret_tui.cell_image import CellImage
from imgret_tui.hit_decoder import decode_hits
from imgret_tui.hit_lines import LineStyles, ListedHit, date_text, fit_segments, grid_line, list_line

PLAIN = Style()
STYLES = LineStyles(*[PLAIN] * 9)

names = st.binary(min_size=1, max_size=30).map(lambda name: name.replace(b"/", b"_").replace(b"\0", b"0"))
texts = st.text(max_size=60)
fractions = st.floats(0, 1)
hits = st.builds(
    Hit,
    rank=st.integers(1, 1000),
    content=st.just(0),
    path=names.map(lambda name: b"/photos/" + name),
    score=st.floats(-1, 1).map(lambda score: round(score, 4)),
    cosine=st.none() | st.floats(-1, 1).map(lambda cosine: round(cosine, 4)),
    strength=st.sampled_from(["strong", "fair", "weak"]),
    confidence=st.floats(0, 1).map(lambda share: round(share, 3)),
    shown=st.fixed_dictionaries(
        {
            "caption": st.none() | texts,
            "captions": st.lists(texts, max_size=2),
            "objects": st.dictionaries(st.text(max_size=8), st.integers(1, 99), max_size=3),
            "topics": st.lists(st.text(max_size=8), max_size=2),
            "place": st.none()
            | st.builds(Place, *[texts] * 5, st.lists(texts, max_size=2).map(tuple)).map(
                msgspec.structs.asdict
            ),
            "text": st.lists(
                st.builds(TextLine, texts, fractions, st.tuples(*[fractions] * 8)), max_size=2
            ).map(msgspec.to_builtins),
            "metadata": st.none() | st.fixed_dictionaries({"title": texts, "rating": st.integers(-1, 5)}),
        }
    ),
    note=st.none() | texts,
    taken_at=st.none() | st.integers(-(2**31), 2**33),
    taken_precision=st.none() | st.sampled_from(PRECISIONS),
    width=st.none() | st.integers(1, 20_000),
    height=st.none() | st.integers(1, 20_000),
    online=st.booleans(),
    why=st.lists(texts, max_size=2).map(tuple),
    other_paths=st.lists(names.map(lambda name: b"/copies/" + name), max_size=2).map(tuple),
)


@given(texts, st.frozensets(st.text(min_size=1, max_size=8).map(str.casefold), max_size=5))
def test_the_parts_join_to_the_text(text: str, words: frozenset[str]) -> None:
    parts = highlight(text, words)
    assert "".join(part for part, _ in parts) == text
    assert all(part for part, _ in parts)


@pytest.mark.parametrize(
    ("query", "text", "highlighted"),
    [
        ("two dogs", "a dog and two cats", ["dog", "two"]),
        ("DOG", "Dogs run", ["Dogs"]),
        ("running", "a man runs", []),
        ("run", "a running man", []),  # four letters more: another word may begin so
        ("cat", "a category of cats", ["cats"]),
        (
            "a red boat after:2019 -house topic:sports dog>=2",
            "a red boat, a house, sports",
            ["red", "boat"],
        ),
        ('in:"red folder" sea', "red sea", ["sea"]),
        ("", "a dog", []),
    ],
)
def test_words_of_the_query_are_highlighted_and_filters_are_not(
    query: str, text: str, highlighted: list[str]
) -> None:
    assert [part for part, found in highlight(text, query_words(query)) if found] == highlighted


@given(hits)
def test_a_hit_is_decoded_from_its_line(hit: Hit) -> None:
    (read,) = decode_hits(rendered(hit) + b"\n")
    assert read == hit


def test_keys_of_a_later_release_are_ignored() -> None:
    (hit,) = decode_hits(json.dumps({"v": 1, "path": "/a", "colour": "red"}).encode())
    assert hit.path == b"/a"


def test_the_bytes_of_a_path_have_priority_over_its_text() -> None:
    raw = b"/\xff\xfe.jpg"
    line = {"path": "/?.jpg", "path_bytes": base64.b64encode(raw).decode()}
    assert decode_hits(json.dumps(line).encode())[0].path == raw


@pytest.mark.parametrize(
    "lines", [b"not json", b'{"rank":1}', b'{"path":3}', b'{"path":"/a","path_bytes":"?"}']
)
def test_a_line_that_is_not_a_hit_is_refused(lines: bytes) -> None:
    with pytest.raises(DaemonError):
        decode_hits(lines)


pictures = (
    st.none()
    | st.integers(1, 8).map(lambda columns: CellImage(columns, 2, image_id=7))
    | st.just(CellImage(8, 3, reason="the file no longer exists"))
)


@given(hits, st.integers(1, 200), st.booleans(), st.booleans(), st.sampled_from([0, 8]), pictures)
def test_every_line_of_the_list_is_exactly_as_wide_as_requested(
    hit: Hit, width: int, cursor: bool, marked: bool, thumbnail: int, picture: CellImage | None
) -> None:
    entry = ListedHit(hit, frozenset({"a"}), cursor, marked, picture)
    for rows in (1, 3, 4, 5):
        for row in range(rows):
            segments = list_line(entry, row, rows, width, STYLES, (thumbnail if width > 24 else 0, 3))
            assert sum(cell_len(segment.text) for segment in segments) == width
            text = "".join(segment.text for segment in segments if PLACEHOLDER not in segment.text)
            assert clean(text) == text


@given(hits, st.integers(2, 60), st.integers(2, 12), pictures)
def test_every_line_of_the_grid_is_exactly_as_wide_as_requested(
    hit: Hit, width: int, rows: int, picture: CellImage | None
) -> None:
    if picture is not None and picture.columns > width - 1:
        picture = None
    for row in range(rows):
        segments = grid_line(ListedHit(hit, frozenset(), True, True, picture), row, rows, width, STYLES)
        assert sum(cell_len(segment.text) for segment in segments) == width


@given(st.lists(st.text(max_size=5), max_size=5), st.integers(-2, 20))
def test_fitted_segments_have_exactly_the_requested_width(parts: list[str], width: int) -> None:
    line = fit_segments([Segment(clean(part), PLAIN) for part in parts], width, PLAIN)
    assert sum(cell_len(segment.text) for segment in line) == max(0, width)


def test_a_date_outside_the_calendar_is_empty() -> None:
    assert date_text(10**15) == ""
    assert date_text(0) == "1970-01-01"
    assert [date_text(0, precision) for precision in ("year", "month", "day")] == [
        "1970",
        "1970-01",
        "1970-01-01",
    ]


@pytest.mark.parametrize(
    ("why", "objects", "line"),
    [
        (("two dogs",), {"dog": 2, "ball": 1}, "two dogs · 1 ball"),
        (("one traffic light",), {"traffic light": 1, "light": 3}, "one traffic light"),
        (("dog",), {"person": 1, "bench": 2}, "dog · 2 benches, 1 person"),
        ((), {"person": 5, "sheep": 2}, "5 people, 2 sheep"),
    ],
)
def test_counts_are_in_the_plural_and_not_repeated(
    why: tuple[str, ...], objects: dict[str, int], line: str
) -> None:
    hit = Hit(
        1,
        0,
        b"/photos/a.jpg",
        0.0,
        None,
        "weak",
        {"objects": objects},
        online=True,
        note=None,
        taken_at=None,
        width=None,
        height=None,
        why=why,
    )
    entry = ListedHit(hit, frozenset(), False, False, None)
    drawn = "".join(segment.text for segment in list_line(entry, 1, 3, 60, STYLES, (0, 0)))
    assert drawn.strip() == line


def test_no_key_has_two_actions() -> None:
    for table in (keymap.KEYS, keymap.COPIES_KEYS, keymap.PHOTO_KEYS):
        keys = [key for entry in table for key in entry.keys]
        assert len(keys) == len(set(keys))
    names = [entry.name for entry in (*keymap.KEYS, *keymap.COPIES_KEYS, *keymap.PHOTO_KEYS)]
    assert len(names) == len(set(names))
    listed = [entry for _, entries in keymap.Keymap().by_group() for entry in entries]
    assert listed == [*keymap.KEYS, *keymap.COPIES_KEYS, *keymap.PHOTO_KEYS]
