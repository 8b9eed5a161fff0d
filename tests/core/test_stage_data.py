"""What a stage from another package leaves in the index: tags, a text column, vectors; and what is left when it goes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import numpy as np
import pytest
from text_spaces import text_space

from imgret.errors import QueryError
from imgret.photo import ModelIdentity, Tag
from imgret.search import empty_reasons, rank
from imgret.search.parse import ParsedQuery, having, parse
from imgret.search.query_encoder import QueryEncoder
from imgret.search.warm_index import WarmIndex
from imgret.store.factory import open_store
from imgret.store.interface import Store
from imgret.store.records import SpaceTraits, TextColumn

COLOUR = ModelIdentity("colour", "1")
NOW = datetime(2024, 5, 1)
Add = Callable[..., int]
NAMES = {"red": (1, 0, 0), "green": (0, 1, 0), "blue": (0, 0, 1)}
MEAN = SpaceTraits("mean", 1.0)


class Colours:
    """Encodes the names of colours; other texts have no vector."""

    identity = COLOUR

    def vectors(self, texts: list[str]) -> Any:
        rows = [sum((np.array(NAMES[w]) for w in text.split() if w in NAMES), np.zeros(3)) for text in texts]
        return np.array([row / max(float(np.linalg.norm(row)), 1e-9) for row in rows], np.float32)


def paint(store: Store, content: int, *colours: str) -> None:
    mean = np.sum([NAMES[each] for each in colours], axis=0) + 0.1
    store.results.save(
        content,
        "colour",
        COLOUR,
        list(colours),
        texts={"colour": " ".join(f"mostly {each}" for each in colours)},
        tags=[Tag("colour", each) for each in colours],
        vectors={"mean": (mean / np.linalg.norm(mean)).astype(np.float32)},
        space=MEAN,
    )


@pytest.fixture
def library(store: Store, add: Add) -> dict[str, int]:
    """Twelve photos of boats, alike in their texts; a few of them painted."""
    store.text_columns.set([TextColumn("caption", "caption"), TextColumn("colour", "colour", 2.0)])
    made = {f"{at}": add(f"{at}.jpg", caption="a boat on the water", topics=["travel"]) for at in range(9)}
    made["dogs"] = add("dogs.jpg", caption="two dogs", objects={"dog": 2})
    for name, *colours in (("1", "red"), ("2", "green"), ("3", "red", "blue"), ("4", "blue"), ("5", "blue")):
        paint(store, made[name], *colours)
    return made


def found(store: Store, text: str) -> set[int]:
    question = parse(text, NOW, store.facets.labels(), store.facets.kinds())
    return set(store.filters.matching(question.clauses).tolist())


def test_every_kind_of_tags_is_a_filter(store: Store, library: dict[str, int]) -> None:
    assert store.facets.kinds() == ["colour", "object", "topic"]
    assert store.facets.labels("colour") == ["blue", "green", "red"]
    assert store.facets.commonest("colour", 2) == ["blue", "red"]
    assert found(store, "colour:red") == {library["1"], library["3"]}
    assert found(store, "COLOUR:Reds") == {library["1"], library["3"]}  # any case, and plurals
    assert found(store, "colour:red colour:blue") == {library["3"]}
    assert found(store, "has:colour -colour:blue") == {library["1"], library["2"]}
    assert found(store, "object:dogs") == {library["dogs"]}
    assert found(store, "topic:travel") == {library[str(at)] for at in range(9)}
    question = having(ParsedQuery(), "colour", "green", NOW, store.facets.kinds())
    assert set(store.filters.matching(question.clauses).tolist()) == {library["2"]}
    mauve = parse("colour:mauve", NOW, (), store.facets.kinds()).clauses
    assert empty_reasons.reasons(store, mauve) == ["no photo has a colour 'mauve'; there is blue, red, green"]
    # A colon after a kind is punctuation where nothing follows, and where no photo has such tags.
    assert parse("a colour: red", NOW, (), ("colour",)).clauses == ()
    assert parse("colour:red", NOW).words == "colour:red"
    with pytest.raises(QueryError, match="has:colours is not known"):
        parse("has:colours", NOW)


def test_what_two_stages_count_is_not_added_up(store: Store, library: dict[str, int]) -> None:
    other = ModelIdentity("other detector", "1")
    store.results.save(
        library["dogs"], "second", other, [], tags=[Tag("object", "dog", 3), Tag("object", "cat")]
    )
    for text, right in (("dog>=3", True), ("dog>=4", False), ("animals>=4", True), ("animals>=5", False)):
        assert (library["dogs"] in found(store, text)) == right, text
    assert store.facets.most_counted(["dog"]) == 3


def test_a_text_column_is_searched_and_weighed(store: Store, library: dict[str, int]) -> None:
    terms = store.words.terms(["mostly", "green"])
    assert store.words.best(terms, 1, 99).tolist() == [library["2"]]
    names = [column.name for column in store.text_columns.all()]
    assert names == ["caption", "labels", "note", "names", "colour"]
    seen = store.words.occurrences(terms, np.array([library["2"]]))
    assert seen.counts[0].tolist() == [[0, 0, 0, 0, 1], [0, 1, 0, 0, 1]]  # tags are words, too
    assert seen.weights.tolist() == [1, 1, 1, 1, 2]
    paint(store, library["2"], "blue")
    assert store.words.best(store.words.terms(["green"]), 1, 99).tolist() == []
    assert store.documents.check() == []
    with pytest.raises(ValueError, match="no column smell"):
        store.results.save(library["2"], "smell", COLOUR, "", texts={"smell": "salt"})


@pytest.mark.parametrize("name", ["rank", "words", "a b", "", "note", 'x"y', "Caption"])
def test_names_that_no_column_can_have(store: Store, name: str) -> None:
    before = store.text_columns.all()
    with pytest.raises(ValueError, match=r"cannot be a column|two columns"):
        store.text_columns.set([TextColumn(name, "x")])
    assert store.text_columns.all() == before


def test_a_space_joins_the_ranking_by_its_standard_score(
    store: Store, library: dict[str, int], encoder: QueryEncoder
) -> None:
    question = ParsedQuery(words="a red boat on the water", terms=("boat", "water"))
    plain = rank.search(store, question, encoder, limit=9, all_copies=True).hits
    for warm in (None, WarmIndex(store)):
        hits = rank.search(
            store, question, encoder, limit=9, all_copies=True, others={"colour": Colours()}, warm=warm
        ).hits
        assert hits[0].content == library["1"]
        assert {hit.content for hit in hits} == {hit.content for hit in plain}
        # Without a colour in it, the query has no vector in that space: everything is as before.
        silent = ParsedQuery(words="a boat on the water", terms=("boat", "water"))
        for others in ({}, {"colour": Colours()}):
            again = rank.search(
                store, silent, encoder, limit=9, all_copies=True, others=others, warm=warm
            ).hits
            assert again == rank.search(store, silent, encoder, limit=9, all_copies=True).hits
    # What has no vector in the space stands where its middle is.
    scores = {hit.content: hit.score for hit in hits}
    before = {hit.content: hit.score for hit in plain}
    assert scores[library["0"]] == pytest.approx(before[library["0"]], abs=1e-4)
    assert scores[library["1"]] > before[library["1"]] > 0
    assert scores[library["2"]] <= before[library["2"]] + 1e-4  # near the middle


def test_spaces_are_searched_without_text_vectors(store: Store, library: dict[str, int]) -> None:
    others = {"colour": Colours()}
    hits = rank.search(store, ParsedQuery(words="green", terms=()), None, limit=3, others=others).hits
    assert hits[0].content == library["2"]
    away = ParsedQuery(words="blue", terms=(), negatives=("red",))
    order = [
        hit.content for hit in rank.search(store, away, None, limit=9, all_copies=True, others=others).hits
    ]
    assert order.index(library["3"]) > order.index(library["4"])
    filtered = parse("green colour:blue", NOW, (), store.facets.kinds())
    assert {hit.content for hit in rank.search(store, filtered, None, others=others, all_copies=True).hits} <= {
        library["3"], library["4"], library["5"],
    }  # fmt: skip


def test_the_vector_of_a_photo_is_used_in_its_own_space(store: Store, library: dict[str, int]) -> None:
    space = store.vectors.active_space("colour")
    assert space is not None
    towards = store.vectors.of(space, np.array([library["5"]]), ["mean"])["mean"][0]
    hits = rank.search(
        store, ParsedQuery(), None, limit=1, without=library["5"], towards_others={"colour": towards}
    ).hits
    assert [hit.content for hit in hits] == [library["4"]]


def test_a_removed_stage_leaves_nothing(store: Store, library: dict[str, int]) -> None:
    def everything() -> dict[str, list[Any]]:
        db = store.db  # type: ignore[attr-defined]
        tables = [
            name
            for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
            if not name.startswith(("words_", "sqlite_", "nearest", "term"))
        ]
        return {name: list(db.execute(f"SELECT * FROM {name}")) for name in tables}

    store.work.queue(library["0"], [])
    store.db.execute("INSERT INTO work (content, stage) VALUES (?, 'colour')", (library["0"],))  # type: ignore[attr-defined]
    assert store.stages() == {"caption", "topics", "detect", "embed", "colour"}
    store.forget_stage("colour")
    assert store.stages() == {"caption", "topics", "detect", "embed"}
    left = {
        name: rows for name, rows in everything().items() if "colour" in repr(rows) or "mostly" in repr(rows)
    }
    assert left == {}
    assert [space.stage for space in store.vectors.active_spaces()] == ["embed"]
    assert found(store, "topic:travel") == {library[str(at)] for at in range(9)}
    assert store.words.best(store.words.terms(["boat"]), 99, 99).size == 9
    assert store.nearest.check(text_space(store)) == []  # type: ignore[attr-defined]
    assert store.documents.check() == []
    assert store.problems() == []


def test_a_copy_gets_what_the_stages_found(store: Store, library: dict[str, int], add: Add) -> None:
    twin = add("twin.jpg", pixels="1.jpg", caption="its own caption", embed=False)
    store.results.copy(library["1"], twin)
    assert found(store, "colour:red") == {library["1"], library["3"], twin}
    assert store.results.payloads(twin)["colour"] == '["red"]'
    terms = store.words.terms(["mostly", "own"])
    assert store.words.occurrences(terms, np.array([twin])).counts[0].sum(axis=1).tolist() == [1, 1]
    space = store.vectors.active_space("colour")
    assert space is not None
    assert store.nearest.count(space) == 6


def test_other_connections_follow_when_columns_come_and_go(store: Store, library: dict[str, int]) -> None:
    with open_store(store.path) as other:
        assert other.words.best(other.words.terms(["mostly"]), 9, 99).size == 5
        store.text_columns.set([TextColumn("caption", "caption"), TextColumn("smell", "smell")])
        assert [column.name for column in other.text_columns.all()] == [
            "caption",
            "labels",
            "note",
            "names",
            "smell",
        ]
        assert other.words.best(other.words.terms(["mostly"]), 9, 99).size == 0
        assert other.words.best(other.words.terms(["boat"]), 99, 99).size == 9
        other.results.save(library["0"], "smell", COLOUR, "salt", texts={"smell": "salt"})
    assert not store.text_columns.set([TextColumn("caption", "caption"), TextColumn("smell", "smell")])
    assert store.words.best(store.words.terms(["salt"]), 9, 99).tolist() == [library["0"]]
