"""Both engines find the same documents in the same order, and count the same words in them."""

from __future__ import annotations

import random
from collections.abc import Iterator

import numpy as np
import pytest
from postgres_server import PostgresServer

from imgret.photo import FileStat, ModelIdentity, Tag
from imgret.stages.interface import ALTERNATIVE
from imgret.store.clauses import Clause, Containing, Filter, Has, Inside, Named, Objects, Phrase, Tagged
from imgret.store.factory import open_store
from imgret.store.interface import Store
from imgret.store.records import TextColumn

MODEL = ModelIdentity("model", "1", "")
WORDS = [
    "a",
    "the",
    "red",
    "white",
    "blue",
    "dog",
    "dogs",
    "cat",
    "car",
    "cars",
    "running",
    "runs",
    "runner",
    "beach",
    "beaches",
    "people",
    "person",
    "bike",
    "children",
    "straße",
    "café",
    "naïve",
    "海滩",
    "猫",
    "снег",
    "🏖",
    "IMG_0042",
    "2019",
    "on",
    "under",
    "near",
]
QUERIES = [
    *WORDS,
    "red car",
    "dogs running on the beach",
    "people near a white bike",
    "海滩 猫",
    "strasse cafe",
    "nothing of this",
    "person person",
    "redcar",
    "white beach",
    "eaches",
]
FILTERS: list[Filter] = [
    Phrase("red car"),
    Phrase("people"),
    Phrase("海滩"),
    Phrase("on the beach"),
    Phrase("nowhere"),
    Named("1*"),
    Named("%"),
    Named("_1"),
    Named("1?.jpg"),
    Inside(b"summer"),
    Inside(b"/photos/Summer 2019"),
    Objects("dog", 2, None),
    Objects("people", 0, 0),
    Tagged("topic", "sport"),
    Has("topics"),
    Has("text"),
    Containing("red car"),
    Containing("ach"),
    Containing("滩"),
    Has("note"),
]


@pytest.fixture(scope="module")
def stores(
    postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Store, Store]]:
    """The same 300 photos in both engines."""
    place = postgres_server.new_library()
    path = tmp_path_factory.mktemp("alike") / "index.db"
    with open_store(str(path)) as sqlite, open_store(place) as postgres:
        for store in (sqlite, postgres):
            fill(store, random.Random(7))
            assert store.documents.check() == []
        yield sqlite, postgres
    postgres_server.remove_library(place)


def fill(store: Store, rng: random.Random) -> None:
    store.text_columns.set([TextColumn("caption", "caption"), TextColumn("ocr", "ocr", 0.5, substrings=True)])
    root = store.roots.add(b"/photos").id

    def text(most: int) -> str:
        return " ".join(rng.choice(WORDS) for _ in range(rng.randrange(most)))

    with store.writing():
        for number in range(1, 301):
            folder = rng.choice([b"", b"Summer 2019", "Café".encode(), b"a_b%"])
            stat, hash_ = FileStat(number, 1, 1, 1), number.to_bytes(32, "big")
            content, _ = store.photos.save(root, folder, b"%d.jpg" % number, stat, hash_, 1)
            caption = ALTERNATIVE.join(text(9) for _ in range(rng.randrange(1, 4)))
            store.results.save(content, "caption", MODEL, [caption], texts={"caption": caption})
            store.results.save(content, "ocr", MODEL, "", texts={"ocr": text(20)})
            labels = rng.sample(["dog", "person", "Traffic_light", "bicycle"], rng.randrange(3))
            tags = [Tag("object", label, rng.randrange(1, 4)) for label in labels]
            store.results.save(content, "detect", MODEL, {}, tags=tags)
            if number % 3 == 0:
                store.results.save(content, "topics", MODEL, [], tags=[Tag("topic", "sports")])
            if number % 5 == 0:
                store.results.write_note(content, text(6) or "note")
            store.results.refresh_words(content)
        for content in range(7, 300, 20):  # words that came and went
            store.results.save(content, "caption", MODEL, [""], texts={"caption": text(4)})


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("wider", [True, False])
def test_words_rank_alike(stores: tuple[Store, Store], query: str, wider: bool) -> None:
    one, other = stores
    terms = one.words.terms([query], wider=wider)
    assert other.words.terms([query], wider=wider) == terms
    for budget, strict in ((10_000, False), (60, False), (60, True)):
        expected = one.words.best(terms, 20, budget, strict=strict)
        found = other.words.best(terms, 20, budget, strict=strict)
        assert found.tolist() == expected.tolist()
    ids = np.arange(1, 301, dtype=np.int64)
    passes = ids[::3]
    assert (
        other.words.best(terms, 20, 10_000, passes=lambda each: np.isin(each, passes)).tolist()
        == one.words.best(terms, 20, 10_000, passes=lambda each: np.isin(each, passes)).tolist()
    )
    pairs = [(0, len(terms) - 1)] if len(terms) > 1 else []
    for left, right in zip(
        one.words.occurrences(terms, ids, pairs), other.words.occurrences(terms, ids, pairs), strict=True
    ):
        assert np.array_equal(left, right)
    assert other.words.document_count() == one.words.document_count()


@pytest.mark.parametrize("negated", [False, True])
@pytest.mark.parametrize("filter_", FILTERS, ids=str)
def test_filters_pass_the_same(stores: tuple[Store, Store], filter_: Filter, negated: bool) -> None:
    one, other = stores
    clauses = [Clause(filter_, negated)]
    assert other.filters.matching(clauses).tolist() == one.filters.matching(clauses).tolist()
    with_folder = [*clauses, Clause(Inside(b"summer"))]
    assert other.filters.matching(with_folder).tolist() == one.filters.matching(with_folder).tolist()


def test_a_removed_column_removes_its_words(stores: tuple[Store, Store]) -> None:
    for store in stores:
        store.text_columns.set([TextColumn("caption", "caption")])
        assert store.documents.check() == []
    one, other = stores
    for query in ("red car", "dogs", "beach"):
        terms = one.words.terms([query])
        assert other.words.terms([query]) == terms
        assert other.words.best(terms, 50, 10_000).tolist() == one.words.best(terms, 50, 10_000).tolist()


def test_words_are_rebuilt_from_the_results(stores: tuple[Store, Store]) -> None:
    for store in stores:
        store.results.rebuild_words(lambda stage, payload: {"caption": "red"} if stage == "caption" else {})
        assert store.documents.check() == []
    one, other = stores
    terms = one.words.terms(["red"])
    assert other.words.terms(["red"]) == terms
    assert terms[0].documents == 300
