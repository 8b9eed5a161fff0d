"""Hits in a terminal, and with --format: the output is safe and complete, and shows where the photo is."""

from __future__ import annotations

import base64
import json
import re
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgret.cli.hit_format import HitFormat
from imgret.cli.hit_output import HitOutput
from imgret.cli.hit_text import LONGEST, TextStyle, hit_lines, shortened, style_of
from imgret.errors import UsageError
from imgret.terminal.clean import clean

PATH = b"/home/me/trip/caf\xe9 1.jpg"
HIT: dict[str, Any] = {
    "v": 1,
    "rank": 3,
    "score": 5.9,
    "strength": "strong",
    "path": PATH.decode(errors="replace"),
    "path_bytes": base64.b64encode(PATH).decode(),
    "caption": "two dogs run on a beach",
    "objects": {"dog": 2, "ball": 1},
    "text": [{"text": "EXIT", "confidence": 0.99, "box": [0, 0, 1, 0, 1, 1, 0, 1]}],
    "metadata": {"rating": 4, "keywords": ["sea", "sun"], "title": None, "people": [], "label": ""},
    "place": {
        "country_code": "IT",
        "country": "Italy",
        "region": "Liguria",
        "city": "Vernazza",
        "within": "",
        "local": ["Italia"],
    },
    "note": None,
    "taken_at": "2021-05-01T00:00:00",
    "taken_precision": "month",
    "online": True,
    "why": ["two dogs", "beach"],
    "copies": 0,
}
SEQUENCE = re.compile(r"\x1b\[[\d;]*m|\x1b\]8;;[^\x1b]*\x1b\\")
NAMES = st.binary(min_size=1, max_size=20).map(lambda name: name.replace(b"\0", b"_"))


def style(**changes: Any) -> TextStyle:
    options = {"coloured": True, "linked": True, "query": "dog beach"} | changes
    return TextStyle(b"/home/me/trip", b"/home/me", **options)


def test_a_hit_in_a_terminal() -> None:
    lines = hit_lines(HIT, PATH, style(coloured=False, linked=False)).splitlines()
    assert lines == [
        " 3. strong caf� 1.jpg",
        "    two dogs run on a beach",
        "    two dogs, beach · 2021-05",
    ]


def test_the_words_of_the_query_are_marked_in_the_caption() -> None:
    caption = hit_lines(HIT, PATH, style()).splitlines()[1]
    assert re.findall(r"\x1b\[1;31m(.*?)\x1b\[0m", caption) == ["dogs", "beach"]


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"caption": None, "note": "Rosa"}, "    Rosa"),
        ({"caption": None}, "    EXIT"),
        ({"note": "Rosa"}, "    note: Rosa"),
        ({"copies": 1}, "    two dogs, beach · 2021-05 · 1 copy"),
        ({"copies": 2, "online": False}, "    two dogs, beach · 2021-05 · 2 copies · offline"),
        ({"why": [], "taken_at": None, "online": False}, "    offline"),
    ],
)
def test_what_is_known_decides_on_the_lines(changes: dict[str, Any], line: str) -> None:
    assert line in hit_lines(HIT | changes, PATH, style(coloured=False, linked=False)).splitlines()


def test_nothing_known_is_one_line() -> None:
    bare = {"rank": 1, "strength": "weak", "caption": None, "why": [], "taken_at": None}
    assert hit_lines(bare, PATH, style(coloured=False, linked=False)).count("\n") == 1


@given(NAMES, st.text(), st.text(), st.lists(st.text(max_size=10), max_size=3), st.booleans(), st.booleans())
def test_no_text_reaches_the_terminal_as_a_control_sequence(
    name: bytes, caption: str, note: str, why: list[str], coloured: bool, linked: bool
) -> None:
    path = b"/home/me/" + name
    hit = HIT | {"caption": caption, "note": note, "why": why}
    printed = hit_lines(hit, path, style(coloured=coloured, linked=linked, query=caption))
    bare = SEQUENCE.sub("", printed)
    assert all(clean(line) == line for line in bare.split("\n"))
    assert ("\x1b[" in printed) <= coloured
    assert ("\x1b]" in printed) == linked
    assert clean(caption)[: LONGEST - 1] in bare


@given(NAMES)
def test_a_link_leads_to_the_file(name: bytes) -> None:
    path = b"/home/" + name
    (address, nothing) = re.findall(r"\x1b\]8;;([^\x1b]*)\x1b\\", hit_lines(HIT, path, style()))
    assert nothing == ""
    parts = urlsplit(address)
    assert (parts.scheme, unquote_to_bytes(parts.path), parts.query, parts.fragment) == ("file", path, "", "")


@pytest.mark.parametrize(
    ("path", "short"),
    [
        (b"/home/me/trip/a.jpg", b"a.jpg"),
        (b"/home/me/other/a.jpg", b"~/other/a.jpg"),
        (b"/home/me/tripod/a.jpg", b"~/tripod/a.jpg"),
        (b"/mnt/a.jpg", b"/mnt/a.jpg"),
    ],
)
def test_paths_are_short(path: bytes, short: bytes) -> None:
    assert shortened(path, style()) == short
    assert shortened(path, TextStyle(b"/", b"/", coloured=False, linked=False, query="")) == path


@pytest.mark.parametrize(
    ("environ", "coloured", "linked"),
    [
        ({"TERM": "xterm"}, True, True),
        ({"TERM": "xterm", "NO_COLOR": "1"}, False, True),
        ({"TERM": "xterm", "NO_COLOR": ""}, True, True),
        ({"TERM": "dumb"}, False, False),
        ({"TERM": "linux"}, True, False),
        ({}, True, False),
    ],
)
def test_the_environment_decides_on_the_style(environ: dict[str, str], coloured: bool, linked: bool) -> None:
    found = style_of(environ, "/", "dog")
    assert (found.coloured, found.linked) == (coloured, linked)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (r"{path}\t{caption}", PATH + b"\ttwo dogs run on a beach"),
        ("{name} in {folder}", b"caf\xe9 1.jpg in /home/me/trip"),
        ("{objects}", b"dog: 2, ball: 1"),
        ("{metadata.rating}/{metadata.keywords}/{metadata.title}", b"4/sea, sun/"),
        ("{note}|{online}|{rank}", b"|yes|3"),
        ("{text}", b"EXIT"),
        ("{place}", b"Vernazza, Liguria, Italy"),
        ("{place.city}/{place.within}/{place.local}", b"Vernazza//Italia"),
        ("{metadata}", b"rating: 4, keywords: sea, sun"),
        (r"{{{rank}}}\\\n\0\x", b"{3}\\\n\0\\x"),
    ],
)
def test_a_format_of_the_user(text: str, line: bytes) -> None:
    assert HitFormat(text).line(HIT, PATH, for_terminal=False) == line


def test_a_form_in_a_terminal_has_no_control_characters() -> None:
    made = HitFormat("{path}").line(HIT, b"/a\x1b]0;x\x07\xff", for_terminal=True)
    assert made.decode() == "/a�]0;x��"
    hit = HIT | {"caption": "a\nb\x1bc"}
    assert HitFormat("{caption}").line(hit, PATH, for_terminal=False) == "a b�c".encode()


def test_braces_around_no_name_are_no_field() -> None:
    for text in ("{path} {}", "{path} {score:.2f}", "{path} {"):
        with pytest.raises(UsageError, match="the brace at character 8 is not that of a field"):
            HitFormat(text)


@pytest.mark.parametrize("text", ["", "png", "{", "}", "{path", "{pa th}", "{{path}}"])
def test_a_form_without_fields_or_with_lone_braces_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        HitFormat(text)


@pytest.mark.parametrize("text", ["{colour}", "{caption.length}", "{path.x}"])
def test_an_unknown_field_is_refused_with_those_that_there_are(text: str) -> None:
    with pytest.raises(UsageError) as refused:
        HitFormat(text).line(HIT, PATH, for_terminal=False)
    assert "caption" in refused.value.hint


def lines(*hits: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(hit).encode() + b"\n" for hit in hits)


@pytest.mark.parametrize(
    ("forms", "options"),
    [
        (["json", "null"], {}),
        (["json"], {"template": "{path}"}),
        (["count"], {"first": True}),
        ([], {"first": True, "limit": 3}),
    ],
)
def test_options_that_do_not_fit_are_refused(forms: list[str], options: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        HitOutput(forms, **options)
