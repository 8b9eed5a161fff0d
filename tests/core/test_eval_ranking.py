"""The baseline, and how a ranking is asked."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgret.evaluate.bm25 import Bm25, words
from imgret.evaluate.dataset import Query
from imgret.evaluate.metrics import Answer
from imgret.evaluate.run import DEEP, FIRST, answers

some_words = st.lists(st.sampled_from(["dog", "cat", "red", "sea", "-sea", "word:", "2019"]), max_size=8).map(
    " ".join
)


def test_bm25_worked_out_by_hand():
    contents, scores = Bm25({7: "a dog", 8: "a cat and a dog", 9: "the sea"})("Dog, CAT!", 10)
    mean = (2 + 5 + 2) / 3

    def part(holding, length):
        idf = math.log(1 + (3 - holding + 0.5) / (holding + 0.5))
        return idf * 2.2 / (1 + 1.2 * (0.25 + 0.75 * length / mean))

    assert contents.tolist() == [8, 7]
    assert scores.tolist() == pytest.approx([part(2, 5) + part(1, 5), part(2, 2)])


def test_words_are_letters_and_digits_in_lower_case():
    assert words("Two dogs, one_Straße -cat word:3") == ["two", "dogs", "one", "straße", "cat", "word", "3"]


def test_bm25_of_nothing():
    for ask in (Bm25({}), Bm25({1: ""})):
        contents, scores = ask("a dog", 5)
        assert (contents.tolist(), scores.tolist()) == ([], [])


@given(st.dictionaries(st.integers(1, 99), some_words, max_size=12), some_words, st.integers(1, 15))
def test_bm25_finds_what_shares_a_word_best_first(passages, question, count):
    contents, scores = Bm25(passages)(question, count)
    sharing = {content for content, text in passages.items() if set(words(text)) & set(words(question))}
    assert len(contents) == len(set(contents.tolist())) == min(count, len(sharing))
    assert set(contents.tolist()) <= sharing
    assert np.all(np.diff(scores) <= 0)
    assert np.all(scores > 0)


class Falling:
    """A ranking of `size` contents, 1 first; those from `tied` to `last` have equal scores."""

    def __init__(self, size, tied=0, last=0):
        self.size, self.tied, self.last, self.asked = size, tied, last, []

    def __call__(self, text, count):
        self.asked.append((text, count))
        contents = np.arange(1, min(count, self.size) + 1)
        scores = np.where((contents >= self.tied) & (contents <= self.last), self.tied, contents)
        return contents, -scores.astype(float)


def test_each_question_is_asked_as_users_ask_and_deeper_only_where_its_photo_is_not_there():
    ranking = Falling(5000)
    queries = [Query("a", "first"), Query("b", "deep"), Query("c", "beyond"), Query("d", "unreadable")]
    seen = []
    found = answers(queries, {"a": 1, "b": 700, "c": 4000, "d": None}, ranking, seen.append)
    assert found == [Answer(1, FIRST), Answer(700, DEEP), Answer(None, DEEP), Answer(None, 0)]
    asked = [("first", FIRST), ("deep", FIRST), ("deep", DEEP), ("beyond", FIRST), ("beyond", DEEP)]
    assert ranking.asked == asked
    assert seen == [1, 2, 3, 4]


def test_a_tie_at_the_edge_is_not_cut():
    inside, outside = answers(
        [Query("in", "q"), Query("out", "q")], {"in": 18, "out": 25}, Falling(100, tied=17, last=30)
    )
    assert inside.rank == outside.rank == (17 + 30) / 2


def test_a_library_smaller_than_the_first_answer():
    assert answers([Query("a", "q")], {"a": 3}, Falling(3)) == [Answer(3, 3)]
    assert answers([Query("a", "q")], {"a": 3}, Falling(0)) == [Answer(None, 0)]
