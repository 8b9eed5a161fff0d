"""Bars in a terminal, and the page of a report: complete, within the width, and harmless whatever a caption holds."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from imgret.cli.report_page import MARK, page
from imgret.terminal.bars import LONGEST_LABEL, bar_lines, cells
from imgret.terminal.clean import clean

ROWS = st.lists(st.tuples(st.text(max_size=50), st.integers(0, 10**7)), max_size=8)


@given(ROWS, st.integers(0, 150))
def test_bars_fit_and_grow_with_their_values(rows: list[tuple[str, int]], width: int) -> None:
    lines = bar_lines(rows, width)
    assert len(lines) == len(rows)
    lengths = []
    for line, (label, value) in zip(lines, rows, strict=True):
        assert clean(line) == line
        assert cells(line) <= max(width, LONGEST_LABEL + 14)
        bar = re.search(r"[▏▎▍▌▋▊▉█]*$", line)
        assert bar is not None
        if not set(label) & set("▏▎▍▌▋▊▉█"):
            assert str(value) in line
            assert bool(bar[0]) == (value > 0)
            lengths.append((value, len(bar[0]) * 8 - ("█▉▊▋▌▍▎▏".index(bar[0][-1]) if bar[0] else 0)))
    assert [size for _, size in sorted(lengths)] == sorted(size for _, size in lengths)


def test_fractions_are_compared_with_the_greatest() -> None:
    assert bar_lines([("a", 0.5), ("b", 1.0)], 30, greatest=1.0) == [
        "  a 0.500 ██████████",
        "  b 1.000 ████████████████████",
    ]


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


HOSTILE = st.text() | st.sampled_from(
    ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "&lt;b&gt;", "\x1b[31m"]
)


@given(HOSTILE, HOSTILE, HOSTILE, st.lists(HOSTILE, max_size=2), st.binary(max_size=9))
def test_no_text_becomes_markup(question: str, caption: str, note: str, why: list[str], name: bytes) -> None:
    hit: dict[str, Any] = {"strength": "fair", "caption": caption, "note": note, "why": why, "taken_at": None}
    stats = {"objects": [(caption, 2), (note, 1)]}
    html = page(question, [hit, hit], [b"\xff\xd8", None], [name, name], "2026-01-01", stats)
    assert MARK in html[:2000]
    reader = _Reader()
    reader.feed(html)
    allowed = {
        "html",
        "head",
        "meta",
        "title",
        "style",
        "body",
        "header",
        "h1",
        "p",
        "main",
        "ol",
        "li",
        "img",
        "div",
        "b",
        "mark",
        "section",
        "h2",
        "table",
        "tr",
        "td",
    }
    assert {tag for tag, _ in reader.tags} <= allowed
    names = {key for _, attributes in reader.tags for key in attributes}
    assert names <= {"lang", "charset", "http-equiv", "content", "name", "class", "alt", "src", "style"}
    sources = [attributes["src"] for _, attributes in reader.tags if "src" in attributes]
    assert sources == ["data:image/jpeg;base64,/9g="]
    bare = " ".join(reader.text.split())
    assert " ".join(clean(caption).split()) in bare


def test_a_photo_without_caption_shows_the_text_in_it() -> None:
    text = [{"text": line, "confidence": 0.9, "box": [0.0] * 8} for line in ("NO <EXIT>", "HERE")]
    html = page(
        "exit", [{"strength": "fair", "caption": None, "text": text}], [None], [b"a.jpg"], "2026-01-01", {}
    )
    assert "NO &lt;<mark>EXIT</mark>&gt; HERE" in html
    assert "confidence" not in html


def test_a_label_of_any_length_is_cut_quickly() -> None:
    (line,) = bar_lines([("\N{CJK UNIFIED IDEOGRAPH-732B}" * 300_000, 1)], 80)
    assert "\N{CJK UNIFIED IDEOGRAPH-732B}" * 15 + "…" in line


def test_a_date_has_what_is_known_of_it() -> None:
    hits = [
        {"taken_at": "1985-01-01T00:00:00", "taken_precision": "year"},
        {"taken_at": "1986-07-01T00:00:00", "taken_precision": "month"},
        {"taken_at": "1987-08-09T10:11:12", "taken_precision": "second"},
    ]
    html = page("x", hits, [None] * 3, [b"a.jpg"] * 3, "2026-01-01", {})
    assert re.findall(r"19\d\d[-\d]*", html) == ["1985", "1986-07", "1987-08-09"]
