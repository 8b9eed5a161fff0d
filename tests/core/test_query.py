from __future__ import annotations

import contextlib
import os
import time
from datetime import datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgret.errors import QueryError
from imgret.search import dates
from imgret.search.parse import ParsedQuery, having, parse
from imgret.store.clauses import (
    Camera,
    Clause,
    Containing,
    Format,
    Has,
    Inside,
    Named,
    Objects,
    Online,
    Phrase,
    Tagged,
    Taken,
)

NOW = datetime(2026, 3, 18, 15, 30)  # a Wednesday


def at(*date: int) -> int:
    return int((datetime(*date) - datetime(1970, 1, 1)).total_seconds())  # type: ignore[arg-type]


def filters(text: str) -> list[tuple[object, bool]]:
    return [(clause.filter, clause.negated) for clause in parse(text, NOW).clauses]


def test_words_and_filters_are_distinguished() -> None:
    question = parse(
        "two dogs on a beach after:2019 dog>=2 -indoor in:/photos/2021 topic:sports has:note", NOW
    )
    assert question.words == "two dogs on a beach"
    assert question.terms == ("two", "dogs", "on", "a", "beach")
    assert question.clauses == (
        Clause(Taken(at(2019, 1, 1), None)),
        Clause(Objects("dog", 2, None)),
        Clause(Phrase("indoor"), negated=True),
        Clause(Inside(b"/photos/2021")),
        Clause(Tagged("topic", "sports")),
        Clause(Has("note")),
    )


@pytest.mark.parametrize(
    ("text", "filter_", "negated"),
    [
        ("dog:", Objects("dog", 1, None), False),
        ("-dog:", Objects("dog", 1, None), True),
        ("dog=2", Objects("dog", 2, 2), False),
        ("dog>2", Objects("dog", 3, None), False),
        ("dog<=2", Objects("dog", 0, 2), False),
        ("dog<2", Objects("dog", 0, 1), False),
        ("dog!=2", Objects("dog", 2, 2), True),
        ("-dog!=2", Objects("dog", 2, 2), False),
        ("dog<>2", Objects("dog", 2, 2), True),
        ("dog≠2", Objects("dog", 2, 2), True),
        ("dog≥2", Objects("dog", 2, None), False),
        ("dog >=2", Objects("dog", 2, None), False),
        ("dog>= 2", Objects("dog", 2, None), False),
        ("dogs > 2", Objects("dogs", 3, None), False),
        ("dog>=2,", Objects("dog", 2, None), False),
        ("dog＞＝２", Objects("dog", 2, None), False),
        ("traffic light>=2", Objects("traffic light", 2, None), False),
        ("hot dogs:", Objects("hot dogs", 1, None), False),
        ("quasar:", Objects("quasar", 1, None), False),
        ("Traffic_Light>=1", Objects("traffic light", 1, None), False),
        ('"traffic light">=1', Objects("traffic light", 1, None), False),
        ("dog>=99999999999", Objects("dog", 1 << 31, None), False),
        ("name:IMG_*", Named("IMG_*"), False),
        ('camera:"Canon EOS"', Camera("Canon EOS"), False),
        ("-camera:canon", Camera("canon"), True),
        ("is:offline", Online(online=False), False),
        ("-is:offline", Online(online=False), True),
        ("format:heic", Format("HEIF"), False),
        ("FORMAT:png", Format("PNG"), False),
        ("format：JPE", Format("JPEG"), False),
        ("format:hif", Format("HEIF"), False),
        ("format:nef", Format("RAW"), False),
        ("format:.JPG", Format("JPEG"), False),
        ("has:notes", Has("note"), False),
        ("has:object", Has("objects"), False),
        ('text:"RE16 TGK"', Containing("RE16 TGK"), False),
        ("-TEXT:stop", Containing("stop"), True),
        ('"red circle"', Phrase("red circle"), False),
        ('-"red circle"', Phrase("red circle"), True),
        ("\u201cred circle\u201d", Phrase("red circle"), False),
        ("in:2021", Inside(b"2021"), False),
        ("in:~/Pictures/", Inside(os.fsencode(os.path.expanduser("~/Pictures"))), False),
    ],
)
def test_filters(text: str, filter_: object, negated: bool) -> None:
    if text.startswith("in:~"):
        filter_ = Inside(os.fsencode(os.path.expanduser("~/Pictures")))  # of this test's home
    assert filters(text) == [(filter_, negated)]


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("2019", (at(2019, 1, 1), at(2020, 1, 1))),
        ("2019-07", (at(2019, 7, 1), at(2019, 8, 1))),
        ("2019-12", (at(2019, 12, 1), at(2020, 1, 1))),
        ("2020-02-29", (at(2020, 2, 29), at(2020, 3, 1))),
        ("2019/7/4", (at(2019, 7, 4), at(2019, 7, 5))),
        ("2019-07-04T10:30", (at(2019, 7, 4, 10, 30), at(2019, 7, 4, 10, 31))),
        ("july 2019", (at(2019, 7, 1), at(2019, 8, 1))),
        ("Jul-2019", (at(2019, 7, 1), at(2019, 8, 1))),
        ("today", (at(2026, 3, 18), at(2026, 3, 19))),
        ("yesterday", (at(2026, 3, 17), at(2026, 3, 18))),
        ("last week", (at(2026, 3, 9), at(2026, 3, 16))),
        ("last-week", (at(2026, 3, 9), at(2026, 3, 16))),
        ("last_month", (at(2026, 2, 1), at(2026, 3, 1))),
        ("this year", (at(2026, 1, 1), at(2027, 1, 1))),
        ("3 days ago", (at(2026, 3, 15), at(2026, 3, 16))),
        ("monday", (at(2026, 3, 16), at(2026, 3, 17))),
        ("thursday", (at(2026, 3, 12), at(2026, 3, 13))),
        ("august", (at(2025, 8, 1), at(2025, 9, 1))),
        ("march", (at(2026, 3, 1), at(2026, 4, 1))),
    ],
)
def test_dates(text: str, span: tuple[int, int]) -> None:
    assert dates.span(text, NOW) == span
    if " " not in text:
        assert filters(f"on:{text}") == [(Taken(*span), False)]
    assert filters(f'after:"{text}" before:"{text}"') == [
        (Taken(span[0], None), False),
        (Taken(None, span[0]), False),
    ]


def test_the_last_month_and_year_that_exist() -> None:
    first, end = dates.span("9999-12", NOW) or (0, 0)
    assert first == at(9999, 12, 1)
    assert end > at(9999, 12, 31)
    assert dates.span("9999", NOW) == (at(9999, 1, 1), end)


@pytest.mark.parametrize(
    ("text", "position", "expected"),
    [
        ("dogs aftr:2019", 5, "after"),
        ("after:2019-02-30", 6, "no date"),
        ("after:0000", 6, "no date"),
        ("after:99999", 6, "no date"),
        ('on:"999999 years ago"', 3, "no date"),
        ("dog>=two", 5, "whole number"),
        ("dog>=-1", 5, "whole number"),
        ("has:everything", 4, "note"),
        ("is:lost", 3, "offline"),
        ("in:", 3, "wants a value"),
        ("tpoic:sports", 0, "topic"),
        ("in:a\0b", 3, "no path"),
        ("in:\ud800", 3, "no path"),
    ],
)
def test_what_cannot_be_read_is_pointed_at(text: str, position: int, expected: str) -> None:
    with pytest.raises(QueryError) as refused:
        parse(text, NOW)
    assert refused.value.position == position
    assert expected in f"{refused.value} {refused.value.hint}"


def test_weights() -> None:
    question = parse('dogs 2:beach 0.5:"blue sky" -1:rain', NOW)
    assert question.words == "dogs beach blue sky rain"
    assert question.weights == (("beach", 2.0), ("blue sky", 0.5), ("rain", -1.0))


def test_a_time_of_day_and_an_open_quote_are_words() -> None:
    assert parse("at 12:30", NOW).words == "at 12:30"
    assert parse('a "red circle', NOW).words == "a red circle"
    assert parse('"', NOW) == ParsedQuery()
    assert parse("well-known - -- :)", NOW).words == "well-known - -- :)"


@pytest.mark.parametrize(
    "text",
    [
        "day 3: sunset",
        "Rome: sunset",
        "trip:italy",
        "re:zero",
        "sunset 10:30",
        "note to self: water the plants",
        "on: the sea",
        "https://example.org/a?b=c",
        "ratio 16:9",
        "giraffe -> zebra",
        "giraffe->zebra",
        "dog -! cat",
        "smile :-) -,",
        "E=mc2",
        "width > height",
        "e = 2",
        "i <3 dogs",
    ],
)
def test_what_only_looks_like_a_filter_is_words(text: str) -> None:
    question = parse(text, NOW)
    assert question.clauses == ()
    assert question.weights == ()
    assert question.words == text


def test_a_word_taken_for_a_filter_by_mistake_is_remarked() -> None:
    assert parse("trip:italy", NOW).remarks == ("trip: is no filter, so trip:italy was read as words",)
    assert "no value directly behind" in parse("in: Rome", NOW).remarks[0]
    assert parse("Rome: sunset at 10:30 https://example.org", NOW).remarks == ()


def test_labels_of_the_library_are_labels() -> None:
    assert parse("krill: in the sea", NOW, ["Krill"]).clauses == (Clause(Objects("krill", 1, None)),)
    assert parse("krill: in the sea", NOW).clauses == ()
    assert parse("krill > 3", NOW, ["krill"]).clauses == (Clause(Objects("krill", 4, None)),)


def test_emoji_can_be_excluded_and_searched() -> None:
    assert filters("giraffe -🎂") == [(Phrase("🎂"), True)]
    assert filters('"🎂"') == [(Phrase("🎂"), False)]
    assert filters('"!!!" -"?"') == []


def test_long_queries_take_time_in_proportion_to_their_length() -> None:
    for piece in ("dog ", "-x ", "a:b ", 'x" ', "dog>=2 ", "a" * 50 + "   ", "-", '"', "dog>"):
        begun = time.process_time()
        with contextlib.suppress(QueryError):
            parse(piece * (400_000 // len(piece)), NOW)
        assert time.process_time() - begun < 20  # what costs quadratic time costs hours here


def test_an_option_is_the_same_filter() -> None:
    assert having(parse("dogs", NOW), "after", "last week", NOW) == parse('dogs after:"last week"', NOW)


PIECES = st.sampled_from(
    [
        "dog",
        "in:",
        "~",
        "on:",
        "after:2019",
        "-",
        '"',
        ">=",
        "<",
        "!=",
        "=",
        ":",
        " ",
        "2",
        "light",
        "traffic",
        "🎂",
    ]
)


@given(st.one_of(st.text(st.characters(), max_size=200), st.lists(PIECES, max_size=20).map("".join)))
def test_any_text_is_a_query_or_refused_at_a_position_in_it(text: str) -> None:
    try:
        question = parse(text, NOW)
    except QueryError as refused:
        assert 0 <= refused.position <= len(text) + 1
        assert 0 < len(str(refused)) < 150
        str(refused).encode()
    else:
        assert parse(text, NOW) == question
        msgspec.json.encode([question.words, question.terms, question.weights, question.remarks])


@given(st.lists(st.from_regex(r"[^\W\d_]{1,12}", fullmatch=True), max_size=20))
def test_plain_words_are_the_query_and_nothing_else(words: list[str]) -> None:
    assert parse(" ".join(words), NOW) == ParsedQuery(words=" ".join(words), terms=tuple(words))


@given(
    st.dates(min_value=datetime(1, 1, 1).date(), max_value=datetime(9998, 12, 31).date()),
    st.sampled_from(["%Y", "%Y-%m", "%Y-%m-%d"]),
)
def test_a_date_is_in_the_span_that_it_names(day: object, form: str) -> None:
    moment = datetime(day.year, day.month, day.day)  # type: ignore[attr-defined]
    text = form.replace("%Y", f"{moment.year:04d}").replace("%m", f"{moment.month:02d}")
    start, end = dates.span(text.replace("%d", f"{moment.day:02d}"), NOW) or (0, 0)
    assert start <= (moment - datetime(1970, 1, 1)).total_seconds() < end
