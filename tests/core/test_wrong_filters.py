"""Filters without a value, and with a value that no photo can have, are refused; prose with the same words is not."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgret.errors import QueryError
from imgret.search.filter_keys import KEYS
from imgret.search.parse import ParsedQuery, having, parse
from imgret.stages.metadata import STAGE
from imgret.store.clauses import Clause, Objects, Rated, Tagged

NOW = datetime(2026, 3, 18)
KINDS = [*STAGE.kinds, "place", "object", "topic"]
COUNTED = {"person", "camera"}  # kinds and keys that are labels of objects, too


def read(text: str) -> ParsedQuery:
    return parse(text, NOW, (), KINDS)


@pytest.mark.parametrize("key", sorted({*KEYS, *KINDS} - COUNTED))
@pytest.mark.parametrize("text", ["{}:", "-{}:", "two dogs {}: ", '{}:"" dogs', '{}:" " dogs'])
def test_a_filter_without_a_value_is_refused(key: str, text: str) -> None:
    text = text.format(key)
    with pytest.raises(QueryError, match=f"^{key}: wants a value$") as refused:
        read(text)
    assert refused.value.position == text.index(":") + 1
    assert "directly behind" in refused.value.hint


@pytest.mark.parametrize("key", ["near", "place", "rating"])
def test_an_option_without_a_value_is_refused_alike(key: str) -> None:
    for value in ("", "  "):
        with pytest.raises(QueryError, match=f"^{key}: wants a value$"):
            having(read("dogs"), key, value, NOW, KINDS)


@pytest.mark.parametrize(
    "text", ["0:beach", "two dogs 0:beach", "-0:beach", '0.0:"beach" 2:sea', "000:beach"]
)
def test_a_weight_of_zero_is_refused(text: str) -> None:
    with pytest.raises(QueryError, match="the weight of beach is 0") as refused:
        read(text)
    assert refused.value.position == text.index("0")
    assert "Leave it out" in refused.value.hint


@pytest.mark.parametrize("text", ["dog>=", "two cats dog>", "-dog!=", "Rating<", "rating≥"])
def test_a_count_without_a_number_is_refused(text: str) -> None:
    with pytest.raises(QueryError, match="wants a value") as refused:
        read(text)
    assert refused.value.position == len(text)


@pytest.mark.parametrize(
    "text", ["dog> cat", "2 >", "x>", "width >", "a photo of a <", "Rome:", "person: Anna"]
)
def test_what_is_no_start_of_a_filter_is_read(text: str) -> None:
    assert read(text).words or read(text).clauses


def test_a_kind_that_is_a_label_counts_objects() -> None:
    assert read("person:").clauses == (Clause(Objects("person", 1, None)),)
    assert read("person:anna").clauses == (Clause(Tagged("person", "anna")),)


@pytest.mark.parametrize("key", ["near", "place", "keyword"])
def test_a_key_in_prose_is_a_word_with_a_remark(key: str) -> None:
    found = read(f"{key}: rome at night")
    assert (found.words, found.clauses) == (f"{key}: rome at night", ())
    assert found.remarks == (f"{key}: has no value directly behind it, so it was read as a word",)


@pytest.mark.parametrize(
    ("text", "position", "message", "hint"),
    [
        ("rating>=9", 8, "rating>=9: a rating is 0 to 5 stars", "rating>=4"),
        ("rating<9", 7, "rating<9: a rating is 0 to 5 stars", "rating>=4"),
        ("rating!=6", 8, "rating!=6: a rating is 0 to 5 stars", "rating>=4"),
        ("rating>5", 7, "rating>5: a rating is 0 to 5 stars", "rating>=4"),
        ("rating<0", 7, "rating<0: a rating is 0 to 5 stars", "rating>=4"),
        ("rating>=-1", 8, "rating>=-1: a whole number is wanted after >=", "dog>=2"),
        ("rating:9", 7, "rating:9: a rating is 0 to 5 stars, or rejected", "rating:4"),
        ("rating:-1", 7, "rating:-1: a rating is 0 to 5 stars, or rejected", "rating:4"),
        ("rating:>=4", 7, "rating:>=4: a rating is 0 to 5 stars, or rejected", "rating>=4"),
        ("rating:four", 7, "rating:four: a rating is 0 to 5 stars, or rejected", "rating:4"),
        (f"rating:{'9' * 5000}", 7, "a rating is 0 to 5 stars", "rating:4"),
        ("two dogs cat<0", 13, "cat<0: no number is below 0", "dog=0"),
        ("on:2016-13", 3, "on:2016-13 is no date", "2019-07"),
        ("after:2016-02-30", 6, "after:2016-02-30 is no date", "2019-07"),
        ("before:2016-01-01T25:00", 7, "is no date", "2019-07"),
    ],
)
def test_a_value_that_no_photo_can_have_is_refused(text: str, position: int, message: str, hint: str) -> None:
    with pytest.raises(QueryError) as refused:
        read(text)
    assert message in str(refused.value)
    assert hint in refused.value.hint
    assert refused.value.position == position
    assert refused.value.exit_code == 2


@given(st.integers(0, 5), st.sampled_from(["=", ">=", "<=", "!=", ":", " >= "]))
def test_each_number_of_stars_is_a_filter(stars: int, sign: str) -> None:
    (clause,) = read(f"rating{sign}{stars}").clauses
    assert isinstance(clause.filter, Rated)
    assert clause.filter.least <= stars <= clause.filter.most
    right = {">=": (stars, 5), "<=": (0, stars)}.get(sign.strip(), (stars, stars))
    assert (clause.filter.least, clause.filter.most) == right


def test_spaces_beside_the_sign_make_no_difference() -> None:
    assert read("rating > 3").clauses == read("rating>3").clauses == (Clause(Rated(4, 5)),)


def test_rejected_photos_have_a_rating_of_their_own() -> None:
    assert read("rating:Rejected").clauses == (Clause(Tagged("rating", "rejected")),)
