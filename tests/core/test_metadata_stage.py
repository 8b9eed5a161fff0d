"""What metadata gives to searches, programs and people; and the filters for ratings."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgret import stage_results
from imgret.errors import QueryError
from imgret.photo import Face, Metadata, ModelIdentity, PhotoDate, Tag
from imgret.search.parse import having, parse
from imgret.stages.interface import Result
from imgret.stages.metadata import STAGE
from imgret.store import labels
from imgret.store.clauses import Clause, Objects, Rated, Tagged
from imgret.store.interface import Store
from imgret.store.records import TextColumn

NOW = datetime(2024, 6, 1)
KINDS = STAGE.kinds
WRITTEN = Metadata(
    title="Evening",
    description="The harbour after the storm",
    keywords=("harbour", "Rome"),
    paths=("Places|Italy|Rome",),
    people=("Anna Muster",),
    faces=(Face("Anna Muster", (0.1, 0.1, 0.2, 0.2)),),
    albums=("Summer",),
    rating=4,
    label="red",
    creator=("Jörg",),
    copyright="© Jörg",
    location=("Vernazza", "Italy"),
    taken=PhotoDate(5, "exif"),
    position=(44.0, 9.0),
    problems=("a.xmp is not valid XML",),
)


def test_a_word_is_compared_with_all_keywords_once() -> None:
    asked: list[int] = []

    def matching(_: str, names: Iterable[str]) -> list[str]:
        asked.append(len(list(names)))
        return ["Rome"]

    shown = STAGE.json(WRITTEN)
    assert STAGE.why(shown, "roma", matching) == ["keyword Rome"]
    assert STAGE.why(shown, "muster", lambda *_: []) == ["person Anna Muster"]
    assert asked == [2, 1]


def test_its_words_and_tags() -> None:
    assert STAGE.texts(WRITTEN) == {
        "title": "Evening",
        "description": "The harbour after the storm",
        "credit": "Jörg\n© Jörg\nVernazza\nItaly",
    }
    assert STAGE.tags(WRITTEN) == [
        *(Tag("keyword", name) for name in ("harbour", "Rome", "Places", "Italy")),
        Tag("person", "Anna Muster"),
        Tag("album", "Summer"),
        Tag("label", "red"),
        Tag("rating", "4"),
        Tag("problem", "metadata"),
    ]
    assert STAGE.tags(Metadata(rating=-1)) == [Tag("rating", "rejected")]
    assert STAGE.tags(Metadata(rating=0)) == []


def test_what_is_shown() -> None:
    shown = STAGE.json(WRITTEN)
    assert shown["metadata"].keys().isdisjoint({"taken", "position", "faces"})
    assert STAGE.json(Metadata()) == STAGE.json(None) == {"metadata": None}
    assert STAGE.rows(shown) == [
        ("title", "Evening"),
        ("about", "The harbour after the storm"),
        ("tags", "harbour, Rome"),
        ("people", "Anna Muster"),
        ("albums", "Summer"),
        ("rating", "★★★★ red"),
        ("by", "Jörg, © Jörg"),
        ("where", "Vernazza, Italy"),
        ("unread", "a.xmp is not valid XML"),
    ]
    assert STAGE.rows(STAGE.json(Metadata(rating=-1))) == [("rating", "rejected")]


def test_why_a_photo_was_found() -> None:
    shown = STAGE.json(WRITTEN)
    assert STAGE.why(shown, "harbours", labels.matching_labels) == ["keyword harbour"]
    assert STAGE.why(shown, "anna", labels.matching_labels) == ["person Anna Muster"]
    assert STAGE.why(shown, "storm", labels.matching_labels) == []
    assert STAGE.why(STAGE.json(None), "storm", labels.matching_labels) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("rating>=4", Clause(Rated(4, 5))),
        ("rating>3", Clause(Rated(4, 5))),
        ("rating<2", Clause(Rated(0, 1))),
        ("rating:3", Clause(Rated(3, 3))),
        ("Rating = 3", Clause(Rated(3, 3))),
        ("-rating:0", Clause(Rated(0, 0), negated=True)),
        ("rating!=5", Clause(Rated(5, 5), negated=True)),
        ("rating:rejected", Clause(Tagged("rating", "rejected"))),
        ('person:"anna muster"', Clause(Tagged("person", "anna muster"))),
        ("ratings>=4", Clause(Objects("ratings", 4, None))),
    ],
)
def test_filters(text: str, expected: Clause) -> None:
    assert parse(text, NOW, known=["rating"], kinds=KINDS).clauses == (expected,)


def test_a_filter_given_as_an_option() -> None:
    assert having(parse("", NOW), "rating", "4", NOW, KINDS).clauses == (Clause(Rated(4, 4)),)


@given(st.text(max_size=30))
def test_any_value_of_a_rating_is_read_or_refused(value: str) -> None:
    quoted = value.replace('"', "").strip()
    try:
        (clause,) = parse(f'rating:"{quoted}"', NOW, kinds=KINDS).clauses
    except QueryError as error:
        assert "rating" in str(error)
    else:
        assert isinstance(clause.filter, Rated | Tagged)


def test_words_of_metadata_are_found(store: Store, add: Callable[..., int]) -> None:
    content, other = add("a.jpg"), add("b.jpg")
    store.text_columns.set([TextColumn(column.name, "metadata", column.weight) for column in STAGE.columns])
    stage_results.save(store, content, "metadata", ModelIdentity("metadata", "1"), Result(WRITTEN))
    for word in ("evening", "storm", "harbour", "muster", "vernazza", "summer"):
        assert store.words.best(store.words.terms([word]), 9, 1000).tolist() == [content], word
    assert store.words.best(store.words.terms(["red"]), 9, 1000).tolist() == []
    assert store.filters.matching([Clause(Tagged("label", "red"))]).tolist() == [content]
    assert store.filters.matching([Clause(Rated(0, 3))]).tolist() == [other]
    store.results.rebuild_words(stage_results.texts)
    assert store.words.best(store.words.terms(["evening"]), 9, 1000).tolist() == [content]
