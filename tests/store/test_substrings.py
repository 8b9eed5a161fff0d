"""Text columns whose substrings are found: by the filter, by plain words, and what keeps them in step."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store_engines import Engine
from store_library import MODEL, delete, put

from imgret.store.clauses import Clause, Containing, Has
from imgret.store.fold import squeezed
from imgret.store.interface import Store
from imgret.store.records import TextColumn
from imgret.store.word_parts import with_parts

CAPTION = TextColumn("caption", "caption")
OCR = TextColumn("ocr", "ocr", 1.0, substrings=True)
SIGN = TextColumn("sign", "sign", 2.0, substrings=True)
BUDGET = 1000


@pytest.fixture
def columned(store: Store) -> Store:
    store.roots.add(b"/p")
    assert store.text_columns.set([CAPTION, OCR])
    return store


def read(store: Store, name: str, text: str, stage: str = "ocr") -> int:
    """Save the text that was read in a photo. -> its content"""
    content = put(store, f"/p/{name}.jpg".encode())
    store.results.save(content, stage, MODEL, text, texts={stage: text})
    return content


def containing(store: Store, text: str) -> list[int]:
    return store.filters.matching([Clause(Containing(text))]).tolist()  # type: ignore[no-any-return]


def best(store: Store, *words: str) -> list[int]:
    return store.words.best(store.words.terms(words), 9, BUDGET).tolist()  # type: ignore[no-any-return]


def held(store: Store, content: int, *words: str) -> list[bool]:
    """Which of these words the content holds anywhere."""
    found = store.words.occurrences(store.words.terms(words), np.array([content]))
    return found.counts[0].any(axis=1).tolist()  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("RE16 TGK", ("RE16 TGK", "re16tgk", "16T", "re-16", "K")),
        ("RESTRICTEDAREA", ("restricted area", "STRICT", "da")),
        ("Café\nGARÇON", ("cafe garcon", "CAFÉ", "égar")),
        ("北京火车站", ("火车", "站", "北京 火车站")),
        ("ＦＵＬＬ", ("full",)),
        ('"OR NEAR(', ("or near", '"or"')),
    ],
)
def test_a_substring_is_found_whatever_stands_between(columned: Store, text: str, wanted: tuple[str]) -> None:
    content = read(columned, "a", text)
    read(columned, "b", "something else")
    for each in wanted:
        assert containing(columned, each) == [content], each
    assert containing(columned, "re17") == []


def test_has_text(columned: Store) -> None:
    content = read(columned, "a", "STOP")
    read(columned, "b", "")
    assert columned.filters.matching([Clause(Has("text"))]).tolist() == [content]
    assert content not in columned.filters.matching([Clause(Has("text"), negated=True)]).tolist()
    assert columned.filters.matching([Clause(Containing("top"), negated=True)]).tolist() != [content]


def test_another_result_replaces_the_text_and_the_same_one_changes_nothing(columned: Store) -> None:
    content = read(columned, "a", "BAKERY")
    read(columned, "a", "BUTCHER")
    read(columned, "a", "BUTCHER")
    assert containing(columned, "bakery") == []
    assert containing(columned, "butcher") == [content]


def test_nothing_is_found_across_two_columns(columned: Store) -> None:
    columned.text_columns.set([CAPTION, OCR, SIGN])
    content = read(columned, "a", "ONE")
    read(columned, "a", "WAY", stage="sign")
    assert containing(columned, "one") == containing(columned, "way") == [content]
    assert containing(columned, "oneway") == []


def test_the_texts_of_a_column_are_copied_when_it_has_substrings_and_removed_with_it(columned: Store) -> None:
    content = read(columned, "a", "HARBOUR")
    columned.text_columns.set([CAPTION, OCR._replace(substrings=False)])
    assert containing(columned, "harb") == []
    columned.text_columns.set([CAPTION, OCR])
    assert containing(columned, "harb") == [content]
    columned.text_columns.set([CAPTION])
    assert containing(columned, "harb") == []
    assert columned.filters.matching([Clause(Has("text"))]).tolist() == []


def test_words_in_captions_are_no_substrings(columned: Store) -> None:
    content = put(columned, b"/p/a.jpg")
    columned.results.save(content, "caption", MODEL, "x", texts={"caption": "a firetruck"})
    assert containing(columned, "truck") == []
    assert best(columned, "firetr") == []


def test_plain_words_find_text_without_spaces(columned: Store) -> None:
    plane, area, plate = (
        read(columned, name, text)
        for name, text in (("a", "AIRFRANCE"), ("b", "RESTRICTEDAREA"), ("c", "RE16 TGK"))
    )
    assert best(columned, "air", "france") == best(columned, "france") == [plane]
    assert best(columned, "restricted", "area") == [area]
    assert best(columned, "re16tgk") == best(columned, "RE16", "TGK") == [plate]
    assert held(columned, plane, "air", "france") == [True, True]
    assert held(columned, area, "restricted", "area", "house") == [True, True, False]
    assert held(columned, plate, "re16tgk") == [True]


def test_short_words_are_whole_words(columned: Store) -> None:
    content = read(columned, "a", "FLIGHT PLANET")
    for word in ("light", "plane", "net"):
        assert best(columned, word) == []
        assert held(columned, content, word) == [False]
    assert best(columned, "flight") == [content]


def test_plain_words_respect_filters(columned: Store) -> None:
    one, other = read(columned, "a", "NOPARKING"), read(columned, "b", "NOPARKING")
    terms = columned.words.terms(["parking"])
    found = columned.words.best(terms, 9, BUDGET, passes=lambda ids: ids == other)
    assert found.tolist() == [other]
    assert sorted(columned.words.best(terms, 9, BUDGET).tolist()) == [one, other]
    assert len(columned.words.best(terms, 1, BUDGET)) == 1


def test_the_text_of_a_copy_and_of_a_rebuilt_index_is_found(columned: Store) -> None:
    source = read(columned, "a", "MUSEUM")
    target = put(columned, b"/p/copy.jpg")
    columned.results.copy(source, target)
    assert containing(columned, "seum") == [source, target]
    columned.results.rebuild_words(lambda stage, payload: {stage: payload.strip('"')})
    assert containing(columned, "seum") == [source, target]


def test_a_deleted_photo_is_not_found(columned: Store) -> None:
    read(columned, "a", "MUSEUM")
    delete(columned, b"/p/a.jpg")
    assert containing(columned, "museum") == []


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.text(st.sampled_from("aB1 é北-*?[\n"), max_size=12), min_size=1, max_size=6),
    st.lists(st.text(st.sampled_from("ab1é北*?["), min_size=1, max_size=4), min_size=1, max_size=8),
)
def test_the_filter_passes_what_a_loop_passes(engine: Engine, texts: list[str], wanted: list[str]) -> None:
    with engine.empty() as store:
        store.roots.add(b"/p")
        store.text_columns.set([CAPTION, OCR])
        contents = {read(store, str(at), text): squeezed(text) for at, text in enumerate(texts)}
        for each in wanted:
            if squeezed(each):
                expected = [content for content, text in contents.items() if squeezed(each) in text]
                assert containing(store, each) == sorted(expected)
        assert store.documents.check() == []


def test_parts_of_words_are_found_behind_any_number_of_photos_that_do_not_pass(columned: Store) -> None:
    contents = [read(columned, f"{number}", "RESTRICTEDAREA") for number in range(20)]
    terms = columned.words.terms(["restricted"])
    found = columned.words.best(terms, 3, BUDGET, passes=lambda ids: ids >= contents[-2])
    assert found.tolist() == contents[-2:]


def test_the_best_by_words_are_found_beside_many_with_parts_of_words(columned: Store) -> None:
    contents = [read(columned, f"{number}", "the old restaurant at the station") for number in range(20)]
    contents.append(read(columned, "best", "restaurant"))
    terms = columned.words.terms(["restaurant"])
    found = columned.words.best(terms, 4, BUDGET).tolist()
    assert len(found) == 4
    assert contents[-1] in found


@given(
    st.lists(st.integers(1, 12), unique=True), st.lists(st.integers(1, 12), unique=True), st.integers(1, 15)
)
def test_neither_parts_of_words_nor_words_crowd_out_the_other(
    parts: list[int], found: list[int], count: int
) -> None:
    joined = with_parts(np.array(parts, np.int64), np.array(found, np.int64), count).tolist()
    every = set(parts) | set(found)
    assert len(joined) == len(set(joined)) == min(count, len(every))
    assert set(joined) <= every
    assert set(parts[: count // 2]) <= set(joined)
    assert set(found[: count - count // 2]) <= set(joined)
