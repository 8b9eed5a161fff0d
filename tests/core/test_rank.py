from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from text_spaces import VIEWS, table, text_space

from imgret.photo import RANKS, Hit, ModelIdentity
from imgret.search import hit_json, parse, rank
from imgret.search.parse import ParsedQuery
from imgret.search.query_encoder import QueryEncoder
from imgret.search.warm_index import WarmIndex, WarmIndexLoader
from imgret.stages.plurals import plural
from imgret.store.clauses import Clause, Taken
from imgret.store.interface import Store
from imgret.store.sqlite import nearest

NOW = datetime(2026, 3, 18)
Add = Callable[..., int]
MODEL = ModelIdentity("given", "1")


class Given:
    """An encoder with given vectors."""

    def __init__(self, vectors: dict[str, Any], identity: ModelIdentity = MODEL) -> None:
        self.identity = identity
        self._vectors = vectors

    def vectors(self, texts: list[str]) -> Any:
        return np.stack([self._vectors[text] for text in texts])


@pytest.fixture
def search(store: Store, encoder: QueryEncoder) -> Callable[..., rank.SearchResult]:
    def answer(text: str, **options: Any) -> rank.SearchResult:
        return rank.search(store, parse.parse(text, NOW), options.pop("encoder", encoder), **options)

    return answer


@pytest.fixture
def library(add: Add) -> dict[str, int]:
    return {
        "giraffes": add(
            "a.jpg", caption="a picture of two giraffes by a tree", objects={"giraffe": 2, "tree": 1}
        ),
        "plane": add(
            "b.jpg", caption="a picture of a white airplane in a cloudy sky", note="Rosa flew to Lisbon"
        ),
        "lunch": add("c.jpg", caption="a picture of a plate of broccoli and meat", note="海滩上的午餐"),
        "bus": add("trip/RosaParks_0042.jpg", caption="a picture of a woman on a bus", objects={"bus": 1}),
        "zebra": add("d.jpg", caption="a picture of a zebra eating grass", objects={"zebra": 1}),
    }


def first(answer: rank.SearchResult) -> int | None:
    return answer.hits[0].content if answer.hits else None


@pytest.mark.parametrize("ranking", RANKS)
def test_each_ranking_finds_the_giraffes(
    search: Callable[..., rank.SearchResult], library: dict[str, int], ranking: str
) -> None:
    answer = search("giraffes", rank=ranking)
    assert first(answer) == library["giraffes"]
    hit = answer.hits[0]
    assert (hit.rank, hit.path, hit.online) == (1, b"/photos/a.jpg", True)
    assert hit.objects == {"giraffe": 2, "tree": 1}
    assert (hit.cosine is None) == (ranking in ("words", "image"))  # no photo here has an image vector
    assert hit.why == (() if ranking == "vector" else ("two giraffes",))


def test_vector_is_the_cosine_of_the_passage(
    search: Callable[..., rank.SearchResult], store: Store, library: dict[str, int], encoder: QueryEncoder
) -> None:
    hits = search("an animal with a long neck", rank="vector").hits
    passages = store.vectors.of(text_space(store), np.array([hit.content for hit in hits]), VIEWS)["passage"]
    cosines = passages @ encoder.vectors(["an animal with a long neck"])[0]
    assert np.allclose([hit.score for hit in hits], cosines, atol=1e-5)
    assert [hit.cosine for hit in hits] == [hit.score for hit in hits]
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    assert len(hits) == len(library)


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("Rosa Lisbon", "plane"),
        ("rosaparks", "bus"),
        ("RosaParks_0042", "bus"),
        ("0042", "bus"),
        ("海滩", "lunch"),
    ],
)
def test_what_only_words_know_comes_first(
    search: Callable[..., rank.SearchResult], library: dict[str, int], text: str, right: str
) -> None:
    assert first(search(text)) == library[right]
    assert first(search(text, rank="words")) == library[right]
    assert search(text).hits[0].strength == "strong"


def test_filters_alone_list_what_passes(
    search: Callable[..., rank.SearchResult], library: dict[str, int]
) -> None:
    answer = search("giraffe>=2")
    assert [hit.content for hit in answer.hits] == [library["giraffes"]]
    assert (answer.hits[0].strength, answer.hits[0].confidence) == (None, None)  # nothing was sought
    assert search("giraffe>=2", min_strength="strong").hits == answer.hits
    assert {hit.content for hit in search("-rosa").hits} == set(library.values()) - {
        library["plane"],
        library["bus"],
    }
    assert search("giraffe>=3").hits == []
    assert search("").hits != []


@pytest.mark.parametrize("rank_", RANKS)
@pytest.mark.parametrize("form", ["option", "prose", "filter"])
def test_negatives_alone_show_all_photos_the_least_similar_first(
    store: Store, encoder: QueryEncoder, library: dict[str, int], add: Add, rank_: str, form: str
) -> None:
    add("e.jpg")  # without vectors and words
    text = "no zebra" if form == "prose" else "is:online" if form == "filter" else ""
    query = parse.parse(text, NOW)
    if form != "prose":
        query = msgspec.structs.replace(query, negatives=("zebra",))
    found = rank.search(store, query, encoder, rank=rank_, min_strength="strong")
    assert len(found.hits) == len(library) + 1
    assert found.hits[-1].content == library["zebra"]
    assert {hit.strength for hit in found.hits} == {None}
    assert not any("nothing matches" in note for note in found.notes)


def test_pushing_away(
    search: Callable[..., rank.SearchResult], store: Store, encoder: QueryEncoder, library: dict[str, int]
) -> None:
    question = msgspec.structs.replace(parse.parse("an animal", NOW), negatives=("a zebra",))
    plain = [hit.content for hit in search("an animal", rank="vector").hits]
    assert plain.index(library["zebra"]) < 2

    def ranked(query: ParsedQuery) -> list[int]:
        return [hit.content for hit in rank.search(store, query, encoder, rank="vector").hits]

    assert ranked(question).index(library["zebra"]) > plain.index(library["zebra"])
    only_away = msgspec.structs.replace(question, words="", terms=())
    assert ranked(only_away)[-1] == library["zebra"]


@pytest.mark.parametrize("ranking", RANKS)
@pytest.mark.parametrize("query", ["animal", "animals"])
@pytest.mark.parametrize("away", ["dog", "dogs", "puppy"])
def test_what_is_pushed_away_comes_behind_everything_else(
    store: Store, encoder: QueryEncoder, add: Add, ranking: str, query: str, away: str
) -> None:
    dogs = {add(f"dog{n}.jpg", objects={"dog": n + 1}) for n in range(5)}
    others = {add(f"{label}.jpg", objects={label: 1}) for label in ("cat", "horse", "cow", "zebra", "sheep")}
    question = msgspec.structs.replace(parse.parse(query, NOW), negatives=(away,))
    answer = rank.search(store, question, encoder, rank=ranking)
    order = [hit.content for hit in answer.hits]
    assert set(order) >= others
    if ranking != "vector":  # the cosine alone uses no words
        assert set(order[:5]) == others
        assert all(hit.strength == "weak" for hit in answer.hits[5:])
        assert answer.hits[0].strength != "weak"
        assert dogs.isdisjoint(order[:5])


def test_weights_turn_the_query(search: Callable[..., rank.SearchResult], library: dict[str, int]) -> None:
    assert first(search("zebra 5:bus", rank="vector")) == library["bus"]
    assert first(search("5:zebra bus", rank="vector")) == library["zebra"]
    plain, once = search("zebra bus", rank="vector").hits, search("zebra 1:bus", rank="vector").hits
    assert [hit.content for hit in plain] == [hit.content for hit in once]


def test_searching_with_a_photo(
    store: Store, encoder: QueryEncoder, add: Add, library: dict[str, int]
) -> None:
    other = add("e.jpg", caption="a picture of three giraffes and trees", objects={"giraffe": 3, "tree": 2})
    vector = store.vectors.of(text_space(store), np.array([library["giraffes"]]), VIEWS)["passage"][0]
    answer = rank.search(store, ParsedQuery(), encoder, towards=vector, without=library["giraffes"])
    assert first(answer) == other
    assert library["giraffes"] not in {hit.content for hit in answer.hits}
    # It needs no embedder: the vector is the index's own.
    assert (
        first(rank.search(store, ParsedQuery(), None, towards=vector, without=other)) == library["giraffes"]
    )


def test_vectors_of_two_embedders_never_meet(
    search: Callable[..., rank.SearchResult], library: dict[str, int], encoder: QueryEncoder
) -> None:
    other = Given({"giraffes": np.ones(256, np.float32)}, ModelIdentity("other", "2"))
    answer = search("giraffes", encoder=other)
    assert [hit.content for hit in answer.hits] == [library["giraffes"]]
    assert answer.hits[0].cosine is None
    assert "other" in answer.notes[0]
    assert search("giraffes", encoder=None).hits[0].content == library["giraffes"]


def test_a_missing_table_is_rebuilt_and_reported_once(
    search: Callable[..., rank.SearchResult], store: Store, library: dict[str, int]
) -> None:
    store.db.execute(f"DROP TABLE {table(store)}")
    answer = search("giraffes")
    assert first(answer) == library["giraffes"]
    assert [note for note in answer.notes if "rebuilt" in note]
    assert not [note for note in search("giraffes").notes if "rebuilt" in note]


def test_copies_and_bursts_are_one_hit(search: Callable[..., rank.SearchResult], add: Add) -> None:
    scene = {"caption": "a red kite", "camera": "Canon", "objects": {"kite": 1}}
    one = add("one.jpg", taken_at=100, **scene)
    assert add("copy/one.jpg", of="one.jpg") == one
    add("metadata.jpg", pixels="one.jpg", caption="a red kite")
    add("burst.jpg", taken_at=103, **scene)
    later = add("later.jpg", taken_at=500, **scene)
    lake = add("lake.jpg", taken_at=104, caption="a lake", camera="Canon")
    hits = search("kite").hits
    assert {path for hit in hits for path in (hit.path, *hit.other_paths)} == {
        f"/photos/{name}.jpg".encode() for name in ("one", "copy/one", "metadata", "burst", "later", "lake")
    }
    assert [hit.rank for hit in hits] == [1, 2, 3]
    assert {hit.content for hit in hits if not hit.other_paths} == {later, lake}
    for k in (1, 2):  # copies are found beyond the last hit that is shown
        assert search("kite", limit=k).hits == hits[:k]
    apart = search("kite", all_copies=True).hits
    assert len({hit.path for hit in apart}) == 6
    assert [hit.rank for hit in apart] == [1, 2, 3, 4, 5, 6]
    assert all(not hit.other_paths for hit in apart)
    assert len(search("kite", all_copies=True, limit=2).hits) == 2


def test_removed_photos_are_no_hits(
    search: Callable[..., rank.SearchResult], store: Store, library: dict[str, int]
) -> None:
    root = int(store.db.execute("SELECT id FROM root").get)  # type: ignore[arg-type]
    store.photos.mark_deleted(root, b"", [b"a.jpg"], now=5)
    for ranking in RANKS:
        assert library["giraffes"] not in {hit.content for hit in search("giraffes", rank=ranking).hits}


def test_ties_are_stable(store: Store, bulk: Callable[..., list[int]], units: Callable[..., Any]) -> None:
    row = units(1)
    contents = bulk([row[0]] * 30, MODEL)
    encoder = Given({"x": row[0]})
    for _ in range(3):
        hits = rank.search(store, ParsedQuery("x"), encoder, rank="vector", limit=10, all_copies=True).hits
        assert [hit.content for hit in hits] == contents[:10]


@pytest.mark.parametrize("share", [0.001, 0.01, 0.1, 0.5])
@pytest.mark.parametrize("warmed", [False, True])
@pytest.mark.parametrize("coded", [False, True])
def test_filters_cost_no_recall(
    store: Store,
    bulk: Callable[..., list[int]],
    units: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    share: float,
    warmed: bool,
    coded: bool,
) -> None:
    monkeypatch.setattr(nearest, "EXACT", 500 if coded else 10_000)
    rows = units(2000, dimension=64)
    contents = np.array(bulk(rows, MODEL))  # taken_at is the number of the photo, from 1
    rows = rows.astype(np.float16).astype(np.float32)  # as they are kept
    store.nearest.rebuild_if_outgrown(text_space(store))
    assert (store.nearest.projection(text_space(store)) is not None) == coded
    warm = WarmIndex(store) if warmed else None
    end = int(2000 * share) + 1
    query = units(8, dimension=64, seed=5)
    encoder = Given({f"q{n}": row for n, row in enumerate(query)})
    for number, row in enumerate(query):
        question = ParsedQuery(f"q{number}", clauses=(Clause(Taken(None, end)),))
        hits = rank.search(store, question, encoder, rank="vector", all_copies=True, warm=warm).hits
        right = contents[: end - 1][np.argsort(-(rows[: end - 1] @ row))[:20]]
        assert len(set(right.tolist()) & {hit.content for hit in hits}) >= len(right) - coded


@pytest.mark.parametrize(
    ("query", "label"),
    [("people", "person"), ("bike", "bicycle"), ("vehicles", "bus"), ("animal", "zebra"), ("sofa", "couch")],
)
@pytest.mark.parametrize("ranking", ["hybrid", "words"])
def test_labels_are_found_by_what_people_call_them(
    store: Store, encoder: QueryEncoder, add: Add, query: str, label: str, ranking: str
) -> None:
    for other in ("pizza", "laptop", "umbrella", "toothbrush"):
        add(f"{other}.jpg", objects={other: 1})
    content = add("it.jpg", objects={label: 2})
    hit = rank.search(store, parse.parse(query, NOW), encoder, rank=ranking).hits[0]
    assert (hit.content, hit.strength, hit.why) == (content, "strong", (f"two {plural(label)}",))


def test_emoji_are_found_as_words(store: Store, encoder: QueryEncoder, add: Add) -> None:
    cake, bike = add("a.jpg", note="🎂 Anna"), add("b.jpg", note="Anna on the 🚲")
    add("c.jpg", caption="a giraffe")
    for text, right in (("🎂", cake), ("🚲 anna", bike), ('"🎂"', cake)):
        hit = rank.search(store, parse.parse(text, NOW), encoder).hits[0]
        assert (hit.content, hit.strength) == (right, "strong")
    assert cake not in {hit.content for hit in rank.search(store, parse.parse("anna -🎂", NOW), encoder).hits}


def test_the_warm_index_finds_what_the_tables_find(
    store: Store, encoder: QueryEncoder, library: dict[str, int], add: Add
) -> None:
    keeper = WarmIndexLoader(store.path)
    assert keeper.current(store) is None
    keeper.wait()
    warm = keeper.current(store)
    assert warm is not None
    for text in ("giraffes", "Rosa Lisbon", "an animal -zebra", "bus:"):
        question = parse.parse(text, NOW)
        cold_hits = rank.search(store, question, encoder).hits
        assert rank.search(store, question, encoder, warm=warm).hits == cold_hits


@pytest.mark.parametrize(
    "text", ["dog " * 2000, "AND OR NOT", '"', "😀", "NEAR(a b)", "* ^ : -", "\0", "a" * 10_000, "的" * 5000]
)
def test_strange_queries_get_results(
    search: Callable[..., rank.SearchResult], library: dict[str, int], text: str
) -> None:
    for ranking in RANKS:
        assert len(search(text, rank=ranking).hits) <= len(library)


def test_an_empty_index(search: Callable[..., rank.SearchResult]) -> None:
    answer = search("anything")
    assert answer.hits == []
    assert "no photo has vectors yet" in answer.notes[0]
    assert search("dog:").hits == []


HITS = st.builds(
    Hit,
    rank=st.integers(1, 1000),
    content=st.integers(1, 1000),
    path=st.binary(max_size=30),
    score=st.floats(-1, 10),
    cosine=st.one_of(st.none(), st.floats(-1, 1)),
    strength=st.sampled_from(["weak", "fair", "strong"]),
    shown=st.fixed_dictionaries(
        {
            "caption": st.one_of(st.none(), st.text(max_size=20)),
            "objects": st.dictionaries(st.text(max_size=5), st.integers(1, 9), max_size=3),
            "topics": st.lists(st.text(max_size=5), max_size=3),
        }
    ),
    note=st.one_of(st.none(), st.text(max_size=20)),
    taken_at=st.one_of(st.none(), st.integers(-(1 << 62), 1 << 62)),
    width=st.one_of(st.none(), st.integers(1, 9999)),
    height=st.one_of(st.none(), st.integers(1, 9999)),
    online=st.booleans(),
    why=st.lists(st.text(max_size=5), max_size=3).map(tuple),
    other_paths=st.lists(st.binary(max_size=9), max_size=2).map(tuple),
)


@given(HITS)
def test_a_line_is_one_json_object_whatever_the_path(hit: Hit) -> None:
    line = hit_json.line(hit, question="q", question_number=3)
    assert b"\n" not in line
    vectors = json.loads(line)
    assert list(vectors)[:4] == ["v", "question", "question_number", "rank"]
    assert vectors["v"] == 1
    back = vectors["path"].encode()
    if "path_bytes" in vectors:
        import base64

        back = base64.b64decode(vectors["path_bytes"])
    assert back == hit.path
    assert vectors["objects"] == hit.objects


@pytest.mark.parametrize("text", ['"zebracorn"', "zebracorn has:note", "zebracorn name:new", "name:new"])
def test_a_photo_without_a_vector_passes_filters_in_a_daemon_too(
    store: Store, encoder: QueryEncoder, add: Callable[..., int], text: str
) -> None:
    for number in range(20):
        add(f"a{number}.jpg", caption=f"a red boat {number}")
    store.results.write_note(add("new.jpg", embed=False), "zebracorn")
    for warm in (None, WarmIndex(store)):
        found = rank.search(store, parse.parse(text, NOW), encoder, warm=warm)
        assert [hit.path for hit in found.hits] == [b"/photos/new.jpg"]
