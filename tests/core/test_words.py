from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imgret.stages.interface import ALTERNATIVE
from imgret.store import path_words
from imgret.store.factory import open_store
from imgret.store.interface import Store
from imgret.store.sqlite import words

Add = Callable[..., int]


def best(store: Store, text: str, **limits: object) -> list[int]:
    terms = store.words.terms(text.split())
    return store.words.best(terms, 10, 1000, **limits).tolist()  # type: ignore[arg-type]


def test_caption_labels_note_and_names_are_found(store: Store, add: Add) -> None:
    one = add("Lisbon 2019/IMG_0042.jpg", caption="a brown dog on a beach", objects={"dog": 1}, embed=False)
    two = add("b.jpg", note="Rosa's flight to Tromsø", topics=["travel_&_adventure"], embed=False)
    assert best(store, "dogs") == [one]  # stemmed
    assert best(store, "lisbon") == [one]
    assert best(store, "IMG_0042") == [one]
    assert best(store, "42") == []
    assert best(store, "ROSA") == [two]
    assert best(store, "adventure") == [two]
    assert best(store, "tromsø") == [two]


def test_a_document_is_replaced_and_removed(store: Store, add: Add) -> None:
    content = add("a.jpg", note="zebra", embed=False)
    store.documents.update(content, {"note": "giraffe"})
    assert best(store, "zebra") == []
    assert best(store, "giraffe") == [content]
    store.db.execute("DELETE FROM photo WHERE content = ?", (content,))
    store.contents.forget([content])
    assert best(store, "giraffe") == []
    assert store.documents.check() == []


@pytest.mark.parametrize(
    ("note", "question", "found"),
    [
        ("海滩上的午餐", "海滩", True),
        ("海滩上的午餐", "午餐", True),
        ("海滩上的午餐", "滩海", False),
        ("海滩上的午餐", "上海", False),
        ("京都のラーメン", "ラーメン", True),
        ("바다에서 점심", "바다", True),
        ("Café à Paris", "cafe", True),
        ("naïve", "NAIVE", True),
        ("समुद्र तट", "समुद्र", True),
        ("Straße", "STRASSE", True),
        ("Łódź", "lodz", True),
        ("Ærø og Đorđe", "aero", True),
        ("Ærø og Đorđe", "ĐORĐE", True),
        ("ＩＭＧ　ﾗｰﾒﾝ", "img", True),
        ("ＩＭＧ　ﾗｰﾒﾝ", "ラーメン", True),
        ("ёлка", "елка", True),
        ("йод", "иод", False),
        ("🎂 Anna", "🎂", True),
        ("Anna🎂Rosa", "rosa", True),
        ("Anna 👍🏽", "👍", True),
        ("🇮🇹", "🇮🇹", True),
        ("🎂", "🚲", False),
    ],
)
def test_scripts(store: Store, add: Add, note: str, question: str, found: bool) -> None:
    content = add("a.jpg", note=note, embed=False)
    assert best(store, question) == ([content] if found else [])


@pytest.mark.parametrize(
    "hostile", ['dog"', "NEAR(dog", "dog*", "note:dog", "^dog", "dog AND", "(", "dog\0cat", "-"]
)
def test_operators_are_words(store: Store, add: Add, hostile: str) -> None:
    content = add("a.jpg", note="a dog", embed=False)
    assert best(store, hostile) in ([content], [])
    assert (best(store, hostile) == [content]) == ("dog" in hostile)


def test_the_commonest_words_are_left_out_beyond_the_budget(store: Store, add: Add) -> None:
    contents = [add(f"{n}.jpg", note="beach" + " quokka" * (n == 7), embed=False) for n in range(20)]
    terms = store.words.terms(["beach", "quokka"])
    assert [(term.text, term.documents) for term in terms] == [("beach", 20), ("quokka", 1)]
    assert store.words.best(terms, 10, 5).tolist() == [contents[7]]
    assert store.words.best(terms, 100, 50).tolist()[0] == contents[7]
    assert len(store.words.best(terms, 100, 50)) == 20
    assert len(store.words.best(terms[:1], 100, 5)) == 20  # the rarest is always searched
    assert len(store.words.best(terms[:1], 100, 5, strict=True)) == 0


def test_contents_that_do_not_pass_are_left_out_before_the_cut(store: Store, add: Add) -> None:
    contents = [add(f"{n}.jpg", note="beach " * (n + 1), embed=False) for n in range(20)]
    terms = store.words.terms(["beach"])
    found = store.words.best(terms, 3, 100, passes=lambda ids: np.isin(ids, contents[:5]))
    assert sorted(found.tolist()) == sorted(set(found.tolist()) & set(contents[:5]))
    assert len(found) == 3


def test_occurrences_by_column(store: Store, add: Add) -> None:
    content = add("dog.jpg", caption="dog and dog", objects={"dog": 2, "cat": 1}, note="红 dog", embed=False)
    terms = store.words.terms(["dogs", "cat", "emu"])
    counts, lengths, _, weights = store.words.occurrences(terms, np.array([content, 999]))
    assert counts[0].tolist() == [[2, 1, 1, 1], [0, 1, 0, 0], [0, 0, 0, 0]]
    assert counts[1].sum() == 0
    assert weights.tolist() == [1, 1, 1, 1]
    assert lengths[0].tolist() == [3, 2, 2, 2]  # the names are `photos dog`


def test_damage_is_found_and_mended(store: Store, add: Add) -> None:
    content = add("a.jpg", note="zebra", embed=False)
    store.db.execute("INSERT INTO words (words) VALUES ('delete-all')")
    assert best(store, "zebra") == []
    assert store.documents.check() != []
    store.documents.rebuild()
    assert store.documents.check() == []
    assert best(store, "zebra") == [content]


def test_a_word_in_several_captions_counts_as_in_one(store: Store, add: Add) -> None:
    several = ("a dog near a red", "car dog and dog by a lake", "a dog")
    content = add("x.jpg", caption=several, embed=False)
    terms = store.words.terms(["dog", "lake", "red", "car", "near"])
    adjective, noun, near = 2, 3, 4
    found = store.words.occurrences(terms, np.array([content]), [(adjective, noun)])
    assert found.counts[0, :, 0].tolist() == [2, 1, 1, 1, 1]  # as in the caption that has it most often
    assert found.lengths[0, 0] == 7  # of the longest one
    assert found.apart[0]  # red and car are in different captions
    found = store.words.occurrences(terms, np.array([content]), [(near, adjective)])
    assert not found.apart[0]
    for text in ("lake", "near", "car"):
        assert best(store, text) == [content]


def test_documents_are_rebuilt_from_results_and_notes(store: Store, add: Add) -> None:
    content = add("Łódź.jpg", caption="in Oz", note="zebra", objects={"dog": 1}, embed=False)
    store.db.execute("UPDATE document SET note = 'lost', names = '', caption = 'lost'")
    store.results.rebuild_words(
        lambda stage, made: {"caption": " ".join(json.loads(made))} if stage == "caption" else {}
    )
    for text in ("zebra", "lodz", "dog", "oz"):
        assert best(store, text) == [content]
    assert best(store, "lost") == []
    assert store.documents.check() == []


def test_names() -> None:
    assert path_words.name_words(b"/home/me/Pictures", b"beach_2019", b"IMG0042-RosaParks.jpg").split() == [
        *("Pictures", "beach", "2019", "IMG0042", "RosaParks"),
        *("IMG", "0042", "Rosa", "Parks"),
    ]
    assert path_words.name_words(b"/", b"", b".jpg") == "jpg"
    assert path_words.name_words(b"/p", b"a\xffb", "海滩.png".encode()) == "p a b 海滩"


NAMES = st.binary(max_size=40).map(lambda raw: raw.replace(b"/", b"_"))


@given(st.lists(NAMES, max_size=3), NAMES)
def test_names_are_words_of_the_path_each_once(folders: list[bytes], name: bytes) -> None:
    text = path_words.name_words(b"/root", b"/".join(folders), name)
    found = text.split()
    assert len(found) == len(set(found))
    assert text == " ".join(found)
    text.encode()  # no surrogates, whatever the bytes
    assert "root" in found


@given(st.from_regex(r"[A-Za-z0-9]{1,12}", fullmatch=True))
def test_a_whole_name_is_kept_and_its_parts_make_it_up(stem: str) -> None:
    found = path_words.name_words(b"/", b"", stem.encode() + b".jpg").split()
    assert found[0] == stem
    assert set("".join(found[1:])) <= set(stem)


@given(st.text(max_size=60))
def test_cutting_twice_is_cutting_once_but_for_spaces(text: str) -> None:
    assert words.cut(words.cut(text)).split() == words.cut(text).split()


@settings(deadline=None, max_examples=40)
@given(st.text(max_size=40), st.text(max_size=40))
def test_any_word_of_a_note_finds_it(tmp_path_factory: pytest.TempPathFactory, note: str, other: str) -> None:
    with open_store(str(tmp_path_factory.getbasetemp() / "words-found.db")) as store:
        with store.writing() as db:
            db.execute("INSERT OR IGNORE INTO content (id, hash) VALUES (1, zeroblob(32))")
        store.documents.update(1, {"caption": other, "note": note})
        for term in store.words.terms([note]):
            assert term.documents == 1
            assert store.words.best([term], 5, 10).tolist() == [1]
            assert store.words.occurrences([term], np.array([1]))[0].sum() > 0


@given(text=st.text(st.characters(codec="ascii"), max_size=40))
@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_length_of_a_text_does_not_depend_on_the_query(store: Store, add: Add, text: str) -> None:
    content = np.array([add("a.jpg", note="dog", embed=False)])
    store.documents.update(int(content[0]), {"note": text})
    held, other = store.words.terms([f"{text} q"]), store.words.terms(["q"])
    one, two = (store.words.occurrences(terms, content).lengths for terms in (held, other))
    assert one.tolist() == two.tolist()


CAPTION = st.lists(st.sampled_from(["dog", "red", "lake", "été", "犬"]), min_size=1, max_size=6).map(" ".join)


@settings(deadline=None, max_examples=40)
@given(st.lists(CAPTION, min_size=1, max_size=4))
def test_occurrences_in_captions_are_the_most_of_any_one(
    tmp_path_factory: pytest.TempPathFactory, captions: list[str]
) -> None:
    with open_store(str(tmp_path_factory.getbasetemp() / "captions-counted.db")) as store:
        with store.writing() as db:
            db.execute("INSERT OR IGNORE INTO content (id, hash) VALUES (1, zeroblob(32))")
        terms = store.words.terms(["dog", "lake", "ete", "犬"])

        def counted(text: str) -> tuple[list[int], int]:
            store.documents.update(1, {"caption": text})
            found = store.words.occurrences(terms, np.array([1]))
            return found.counts[0, :, 0].tolist(), int(found.lengths[0, 0])

        each = [counted(caption) for caption in captions]
        counts, length = counted(ALTERNATIVE.join(captions))
        assert counts == np.max([of_one for of_one, _ in each], axis=0).tolist()
        assert length == max(of_one for _, of_one in each)


def test_counts_of_documents_follow_every_write(store: Store, add: Add) -> None:
    content = add("a.jpg", note="zebra", embed=False)

    def count(word: str) -> int:
        return store.words.terms([word])[0].documents

    assert (count("zebra"), count("giraffe")) == (1, 0)
    with open_store(store.path) as other:
        other.documents.update(content, {"note": "giraffe"})
    assert (count("zebra"), count("giraffe")) == (0, 1)
    store.documents.update(content, {"note": "zebra"})
    assert (count("zebra"), count("giraffe")) == (1, 0)
