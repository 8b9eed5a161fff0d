"""BM25, and running the queries of a ranking."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgret.evaluate.bm25 import Bm25, words
from imgret.evaluate.dataset import Query
from imgret.evaluate.metrics import PhotoRank
from imgret.evaluate.run import run_queries

some_words = st.lists(st.sampled_from(["dog", "cat", "red", "sea", "-sea", "word:", "2019"]), max_size=8).map(
    " ".join
)


def test_bm25_computed_by_hand():
    contents, scores = Bm25({7: "a dog", 8: "a cat and a dog", 9: "the sea"})("Dog, CAT!")
    mean = (2 + 5 + 2) / 3

    def part(holding, length):
        idf = math.log(1 + (3 - holding + 0.5) / (holding + 0.5))
        return idf * 2.2 / (1 + 1.2 * (0.25 + 0.75 * length / mean))

    assert contents.tolist() == [7, 8]
    assert scores.tolist() == pytest.approx([part(2, 2), part(2, 5) + part(1, 5)])


def test_words_are_letters_and_digits_in_lower_case():
    assert words("Two dogs, one_Straße -cat word:3") == ["two", "dogs", "one", "straße", "cat", "word", "3"]


def test_bm25_without_passages():
    for search in (Bm25({}), Bm25({1: ""})):
        contents, scores = search("a dog")
        assert (contents.tolist(), scores.tolist()) == ([], [])


@given(st.dictionaries(st.integers(1, 99), some_words, max_size=12), some_words)
def test_bm25_finds_passages_that_share_a_word(passages, question):
    contents, scores = Bm25(passages)(question)
    sharing = {content for content, text in passages.items() if set(words(text)) & set(words(question))}
    assert sorted(contents.tolist()) == sorted(sharing)
    assert np.all(scores > 0)


def test_the_rank_of_each_photo_is_recorded():
    texts, progress = [], []

    def ranking(text):
        texts.append(text)
        return np.arange(1, 3001), np.arange(1, 3001) // -2 * 1.0  # 1 and 2 have equal scores, and so on

    queries = [Query("a", "first"), Query("b", "deep"), Query("c", "none"), Query("d", "unreadable")]
    found = run_queries(queries, {"a": 2, "b": 2001, "c": 4000, "d": None}, ranking, progress.append)
    assert found == [PhotoRank(1.5, 3000), PhotoRank(2001.5, 3000), PhotoRank(None, 3000), PhotoRank(None, 0)]
    assert texts == ["first", "deep", "none"]
    assert progress == [4]


def test_a_ranking_without_photos():
    assert run_queries([Query("a", "q")], {"a": 3}, Bm25({3: ""})) == [PhotoRank(None, 0)]
