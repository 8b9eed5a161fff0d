"""Counts in correct grammar."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgret.stages.plurals import plural
from imgret.stages.registry import own
from imgret.store import labels


@pytest.mark.parametrize(
    ("one", "many"),
    [
        ("giraffe", "giraffes"),
        ("person", "people"),
        ("sheep", "sheep"),
        ("bus", "buses"),
        ("wine glass", "wine glasses"),
        ("traffic light", "traffic lights"),
        ("knife", "knives"),
        ("mouse", "mice"),
        ("teddy bear", "teddy bears"),
        ("couch", "couches"),
        ("baby", "babies"),
        ("toy", "toys"),
        ("human", "humans"),
        ("snowman", "snowmen"),
        ("skis", "skis"),
        ("broccoli", "broccoli"),
        ("tree (plant)", "tree (plant)"),
    ],
)
def test_plurals(one: str, many: str) -> None:
    assert plural(one) == many


@given(st.text(max_size=20))
def test_only_the_last_word_changes(label: str) -> None:
    assert plural(label).rpartition(" ")[0] == label.rpartition(" ")[0]


def test_a_count_is_a_reason_in_plain_words() -> None:
    shown = {"objects": {"giraffe": 2, "person": 1, "sheep": 9}}
    detect = own()["detect"]
    for word, reason in (("giraffes", "two giraffes"), ("person", "one person"), ("sheep", "many sheep")):
        assert detect.why(shown, word, labels.matching_labels) == [reason]
