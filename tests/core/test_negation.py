"""Negation in prose is taken out of the words, and nothing else is."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgret.search import negation, parse
from imgret.store import labels

NOW = datetime(2026, 3, 18)


@pytest.mark.parametrize(
    ("text", "words", "negatives"),
    [
        ("a beach with no people", "a beach", ("people",)),
        ("beach, no people", "beach,", ("people",)),
        ("boats not in water", "boats", ("in water",)),
        ("a man without a hat", "a man", ("hat",)),
        ("a boy without a shirt rides a bike", "a boy rides a bike", ("shirt",)),
        ("nobody on the street", "on the street", ("people",)),
        ("an empty room, no one at the table", "an empty room, at the table", ("people",)),
        ("a park but no dog", "a park", ("dog",)),
        ("a street with no cars or people", "a street", ("cars or people",)),
        ("kitchen without people and with plants", "kitchen and with plants", ("people",)),
        ("red and not blue", "red", ("blue",)),
        ("a circle, not red", "a circle,", ("red",)),
        ("a chair that is not red", "a chair", ("red",)),
        ("cars which aren't black", "cars", ("black",)),
        ("a beach with neither people nor dogs", "a beach", ("people", "dogs")),
        ("a beach, no people no dogs", "a beach,", ("people", "dogs")),
        ("a street, not a blue car", "a street,", ("blue car",)),
        ("a table with no red no blue circle", "a table", ("red circle", "blue circle")),
        (
            "a table, neither red nor blue nor dark green circles",
            "a table,",
            ("red circles", "blue circles", "dark green circles"),
        ),
        ("cars, not red and not blue", "cars,", ("red", "blue")),
        ("a street with no red, no blue car", "a street", ("red", "blue car")),
        ("a table with no red, no blue, circle", "a table circle", ("red", "blue")),
    ],
)
def test_what_is_negated_is_pushed_away(text: str, words: str, negatives: tuple[str, ...]) -> None:
    found = parse.parse(text, NOW)
    assert (found.words, found.negatives) == (words, negatives)
    assert found.remarks[0].startswith(f'read as --not "{negatives[0]}"')
    assert not {"without", "nobody"} & set(found.terms)


@pytest.mark.parametrize(
    "text",
    [
        "no parking sign",
        "a no smoking sign on a wall",
        "no left turn",
        "no red square",
        "no dogs allowed sign",
        "a cat not looking amused",
        "why not",
        '"without a hat" sign',
        "nothing but sand",
        "notes on a desk",
    ],
)
def test_what_may_be_a_name_stays(text: str) -> None:
    found = parse.parse(text, NOW)
    assert (found.words, found.negatives, found.remarks) == (text.replace('"', ""), (), ())


@pytest.mark.parametrize(
    ("text", "negative"),
    [
        ("no people", "people"),
        ("No people!", "people"),
        ("nobody", "people"),
        ("without a hat", "hat"),
        ("without a dog", "dog"),
        ("not in water", "in water"),
        ("not red", "red"),
        ("no red", "red"),
        ("there is no dog", "dog"),
        ("photos without people", "people"),
        ("pictures that are not blue", "blue"),
    ],
)
def test_negations_alone_leave_no_words(text: str, negative: str) -> None:
    found = parse.parse(text, NOW)
    assert (found.words, found.terms, found.negatives) == ("", (), (negative,))
    assert found.remarks == (f'read as --not "{negative}"; quote the words to search for them as they are',)


WORDS = st.lists(
    st.sampled_from(
        [
            "no",
            "not",
            "without",
            "nobody",
            "one",
            "people",
            "dog",
            "hat",
            "a",
            "the",
            "in",
            "on",
            "with",
            "but",
            ",",
            ".",
            "parking",
            "sign",
            "red",
            "x",
        ]
    )
    | st.text("abc,.é ", min_size=1, max_size=5).map(lambda text: text.replace(" ", "") or "b"),
    max_size=15,
)


@given(WORDS)
def test_words_are_kept_in_order_or_negated(words: list[str]) -> None:
    stays, negatives = negation.split(words, labels.is_label)
    assert len(stays) == len(words)
    if not negatives:
        assert all(stays)
    gone = " ".join(word for word, stay in zip(words, stays, strict=True) if not stay).lower()
    for text in negatives:
        assert text == "people" or all(part in gone for part in text.split())


@given(st.lists(st.text("abdefgh ", min_size=1, max_size=6), max_size=12))
def test_a_query_without_a_negating_word_is_not_changed(words: list[str]) -> None:
    plain = [word.replace(" ", "") or "b" for word in words]
    assert negation.split(plain, labels.is_label) == ([True] * len(plain), [])


PLAIN = st.lists(
    st.sampled_from(["a", "the", "red", "old", "beach", "street", "man", "dog", "on", "by", "two", "at"]),
    min_size=1,
    max_size=6,
)
THING = st.sampled_from(["hat", "dog", "car", "umbrella", "people", "bicycle"])


@given(PLAIN, THING, st.sampled_from(["without a", "without any", "with no", "without"]))
def test_words_after_without_are_negated_anywhere_in_the_query(
    before: list[str], thing: str, word: str
) -> None:
    found = parse.parse(f"{' '.join(before)} {word} {thing}", NOW)
    assert found.negatives == (thing,)
    assert found.words == " ".join(before)
    for phrase in (f'"{word} {thing}"', f"no {thing} sign"):  # a quotation, and a name
        kept = parse.parse(f"{' '.join(before)} {phrase}", NOW)
        assert kept.negatives == ()
        assert thing in kept.words


def test_a_page_of_negations_is_no_error() -> None:
    found = parse.parse("a man without a hat, " * 400, NOW)
    assert found.negatives == ()
    assert len(found.terms) == 2000
