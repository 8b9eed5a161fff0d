"""Text from outside: for any input, cleaned text can be encoded and paths keep their bytes."""

from __future__ import annotations

import os
import time
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgret import inputs
from imgret.errors import QueryError, UsageError
from imgret.search import parse

NOW = datetime(2024, 5, 1)
any_text = st.text(st.characters(exclude_categories=()))  # lone surrogates and NUL too


@given(any_text)
def test_cleaned_text_can_be_encoded_and_cleaning_again_changes_nothing(text: str) -> None:
    words = inputs.clean_text(text)
    assert words.encode().decode() == words
    assert "\0" not in words
    assert inputs.clean_text(words) == words
    assert len(words) == len(text)


@given(st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0")))
def test_valid_text_is_not_changed(text: str) -> None:
    assert inputs.clean_text(text) == inputs.encodable(text) == text


@given(st.binary().filter(lambda raw: b"\0" not in raw and not raw.startswith(b"~")))
def test_a_path_keeps_its_bytes(raw: bytes) -> None:
    assert inputs.path_bytes(os.fsdecode(raw)) == raw


@given(any_text)
def test_any_text_becomes_a_path_that_the_system_accepts(text: str) -> None:
    raw = inputs.path_bytes(text)
    assert b"\0" not in raw
    os.path.lexists(raw)


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"caf\xe9", "café"),
        (b"\x80 5", "€ 5"),
        ("Käse \u6771".encode() + b" \xfc", "Käse 東 ü"),
        (b"\x81", "\ufffd"),
    ],
)
def test_bytes_that_are_not_utf8_are_decoded_as_windows_1252(raw: bytes, words: str) -> None:
    assert inputs.clean_text(os.fsdecode(raw)) == words


def test_a_note_has_a_length_limit() -> None:
    assert inputs.clean_note("x" * inputs.NOTE_LIMIT)
    with pytest.raises(UsageError, match="limit is"):
        inputs.clean_note("x" * (inputs.NOTE_LIMIT + 1))


@given(st.lists(any_text, max_size=8).map(" ".join))
def test_any_query_is_parsed_or_refused(text: str) -> None:
    try:
        question = parse.parse(inputs.encodable(text), NOW)
    except QueryError as error:
        assert str(error)
    else:
        assert len(question.terms) <= len(text) + 1


def test_parsing_takes_linear_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parse, "MOST_CHARACTERS", 1 << 30)
    took = []
    for words in (20_000, 160_000):
        began = time.process_time()
        assert len(parse.parse("dog -cat " * (words // 2), NOW).clauses) == words // 2
        took.append(time.process_time() - began)
    assert took[1] < 30 * took[0]  # 8 times the words; quadratic time would be 64 times as long


@pytest.mark.parametrize("text", ["x" * 10_001, "dog>=1 " * 101, "2:sea " * 51, "k" * 10_001 + ":v"])
def test_a_query_has_a_size_limit(text: str) -> None:
    with pytest.raises(QueryError, match="most"):
        parse.bounded(parse.parse(text, NOW))
