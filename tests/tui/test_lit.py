"""Lighting words, reading hits, and lines that are exactly as wide as they should be: the pure parts."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style

from imgret.errors import DaemonError
from imgret.photo import Hit
from imgret.search.hit_json import line as rendered
from imgret.terminal.clean import clean
from imgret.terminal.kitty import PLACEHOLDER
from imgret_tui import keymap
from imgret_tui.cells import Entry, Styles, day, fitted, grid_line, list_line
from imgret_tui.hits import read_hits
from imgret_tui.library import Details
from imgret_tui.lit import lit, question_words
from imgret_tui.shown import Shown
from imgret_tui.widgets.details import described

PLAIN = Style()
STYLES = Styles(*[PLAIN] * 6)

names = st.binary(min_size=1, max_size=30).map(lambda name: name.replace(b"/", b"_").replace(b"\0", b"0"))
texts = st.text(max_size=60)
hits = st.builds(
    Hit,
    rank=st.integers(1, 1000),
    content=st.just(0),
    path=names.map(lambda name: b"/photos/" + name),
    score=st.floats(-1, 1).map(lambda score: round(score, 4)),
    cosine=st.none() | st.floats(-1, 1).map(lambda cosine: round(cosine, 4)),
    strength=st.sampled_from(["strong", "fair", "weak"]),
    caption=st.none() | texts,
    objects=st.dictionaries(st.text(max_size=8), st.integers(1, 99), max_size=3),
    topics=st.lists(st.text(max_size=8), max_size=2).map(tuple),
    note=st.none() | texts,
    taken_at=st.none() | st.integers(-(2**31), 2**33),
    width=st.none() | st.integers(1, 20_000),
    height=st.none() | st.integers(1, 20_000),
    online=st.booleans(),
    why=st.lists(texts, max_size=2).map(tuple),
    other_paths=st.lists(names.map(lambda name: b"/copies/" + name), max_size=2).map(tuple),
)


@given(texts, st.frozensets(st.text(min_size=1, max_size=8).map(str.casefold), max_size=5))
def test_the_parts_join_to_the_text(text: str, words: frozenset[str]) -> None:
    parts = lit(text, words)
    assert "".join(part for part, _ in parts) == text
    assert all(part for part, _ in parts)


@pytest.mark.parametrize(
    ("question", "text", "bright"),
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
def test_words_of_the_question_are_lit_and_filters_are_not(
    question: str, text: str, bright: list[str]
) -> None:
    assert [part for part, is_lit in lit(text, question_words(question)) if is_lit] == bright


@given(hits)
def test_a_hit_survives_its_line(hit: Hit) -> None:
    (read,) = read_hits(rendered(hit) + b"\n")
    assert read == hit


def test_keys_of_a_later_release_are_passed_over() -> None:
    (hit,) = read_hits(json.dumps({"v": 1, "path": "/a", "colour": "red"}).encode())
    assert hit.path == b"/a"


def test_the_bytes_of_a_name_come_before_its_text() -> None:
    raw = b"/\xff\xfe.jpg"
    told = {"path": "/?.jpg", "path_bytes": base64.b64encode(raw).decode()}
    assert read_hits(json.dumps(told).encode())[0].path == raw


@pytest.mark.parametrize(
    "lines", [b"not json", b'{"rank":1}', b'{"path":3}', b'{"path":"/a","path_bytes":"?"}']
)
def test_what_is_no_hit_is_the_daemons_fault(lines: bytes) -> None:
    with pytest.raises(DaemonError):
        read_hits(lines)


pictures = (
    st.none()
    | st.integers(1, 8).map(lambda columns: Shown(columns, 2, image_id=7))
    | st.just(Shown(8, 3, reason="it is gone"))
)


@given(hits, st.integers(1, 200), st.booleans(), st.booleans(), st.sampled_from([0, 8]), pictures)
def test_every_line_of_the_list_is_exactly_as_wide_as_asked(
    hit: Hit, width: int, cursor: bool, marked: bool, thumbnail: int, picture: Shown | None
) -> None:
    entry = Entry(hit, frozenset({"a"}), cursor, marked, picture)
    for rows in (1, 3):
        for row in range(rows):
            segments = list_line(entry, row, rows, width, STYLES, thumbnail if width > 24 else 0)
            assert sum(cell_len(segment.text) for segment in segments) == width
            shown = "".join(segment.text for segment in segments if PLACEHOLDER not in segment.text)
            assert clean(shown) == shown


@given(hits, st.integers(2, 60), st.integers(2, 12), pictures)
def test_every_line_of_the_grid_is_exactly_as_wide_as_asked(
    hit: Hit, width: int, rows: int, picture: Shown | None
) -> None:
    if picture is not None and picture.columns > width - 1:
        picture = None
    for row in range(rows):
        segments = grid_line(Entry(hit, frozenset(), True, True, picture), row, rows, width, STYLES)
        assert sum(cell_len(segment.text) for segment in segments) == width


@given(st.lists(st.text(max_size=5), max_size=5), st.integers(-2, 20))
def test_fitting_cuts_wide_characters_in_half_by_a_space(parts: list[str], width: int) -> None:
    line = fitted([Segment(clean(part), PLAIN) for part in parts], width, PLAIN)
    assert sum(cell_len(segment.text) for segment in line) == max(0, width)


def test_a_date_beyond_the_calendar_is_no_date() -> None:
    assert day(10**15) == ""
    assert day(0) == "1970-01-01"


def test_no_key_does_two_things() -> None:
    keys = [key for entry in keymap.KEYS for key in entry.keys.split(",")]
    assert len(keys) == len(set(keys))
    assert [entry for _, entries in keymap.groups() for entry in entries] == list(keymap.KEYS)


def test_what_is_known_of_a_photo_is_told_line_by_line() -> None:
    hit = Hit(
        rank=1, content=1, path=b"/photos/a\x1b.jpg", score=1.0, cosine=0.5, strength="fair", caption="a dog",
        objects={"dog": 2}, topics=("diaries_&_daily_life",), note="grandma's\ndog", taken_at=86400, width=640,
        height=480, online=False, why=("two dog",), other_paths=(b"/photos/copy.jpg",),
    )  # fmt: skip
    known = Details(
        state="failed",
        reason="no topics yet",
        size=1_234_567,
        camera="Pixel",
        latitude=-33.8568,
        longitude=151.2153,
    )
    assert [line.plain for line in described(hit, known, "dog")] == [
        "a dog",
        "why    two dog",
        "match  fair (0.500)",
        "counts 2 dog",
        "topics diaries & daily life",
        "photo  1970-01-02 · Pixel · 640 x 480, 1.23 MB",
        "place  33.8568° S, 151.2153° E",
        "note   grandma's dog",
        "path   /photos/a\ufffd.jpg",
        "copy   /photos/copy.jpg",
        "offline: its disk is away",
        "failed: no topics yet",
    ]


@pytest.mark.parametrize(
    ("known", "said"),
    [
        (None, ""),  # it is asked for
        (Details(awaits_caption=True), "not described yet"),
        (Details(awaits_caption=False), "no caption"),
    ],
)
def test_a_photo_is_not_described_yet_only_where_a_caption_is_to_come(
    known: Details | None, said: str
) -> None:
    hit = Hit(
        rank=1, content=1, path=b"/a.jpg", score=1.0, cosine=None, strength="fair", caption=None, objects={},
        topics=(), note=None, taken_at=None, width=4, height=3, online=True, why=(),
    )  # fmt: skip
    assert described(hit, known, "")[0].plain == said
