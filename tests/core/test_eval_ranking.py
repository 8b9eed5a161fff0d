"""BM25, and running the queries of a ranking."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgret.evaluate.bm25 import Bm25, words
from imgret.evaluate.dataset import Query
from imgret.evaluate.metrics import PhotoRank
from imgret.evaluate.run import DEEP, FIRST, run_queries

some_words = st.lists(st.sampled_from(["dog", "cat", "red", "sea", "-sea", "word:", "2019"]), max_size=8).map(
    " ".join
)


def test_bm25_computed_by_hand():
    contents, scores = Bm25({7: "a dog", 8: "a cat and a dog", 9: "the sea"})("Dog, CAT!", 10)
    mean = (2 + 5 + 2) / 3

    def part(holding, length):
        idf = math.log(1 + (3 - holding + 0.5) / (holding + 0.5))
        return idf * 2.2 / (1 + 1.2 * (0.25 + 0.75 * length / mean))

    assert contents.tolist() == [8, 7]
    assert scores.tolist() == pytest.approx([part(2, 5) + part(1, 5), part(2, 2)])


def test_words_are_letters_and_digits_in_lower_case():
    assert words("Two dogs, one_Straße -cat word:3") == ["two", "dogs", "one", "straße", "cat", "word", "3"]


def test_bm25_without_passages():
    for ask in (Bm25({}), Bm25({1: ""})):
        contents, scores = ask("a dog", 5)
        assert (contents.tolist(), scores.tolist()) == ([], [])


@given(st.dictionaries(st.integers(1, 99), some_words, max_size=12), some_words, st.integers(1, 15))
def test_bm25_finds_passages_that_share_a_word_best_first(passages, question, count):
    contents, scores = Bm25(passages)(question, count)
    sharing = {content for content, text in passages.items() if set(words(text)) & set(words(question))}
    assert len(contents) == len(set(contents.tolist())) == min(count, len(sharing))
    assert set(contents.tolist()) <= sharing
    assert np.all(np.diff(scores) <= 0)
    assert np.all(scores > 0)


class DescendingScores:
    """A ranking of the contents 1 to `size` in this order; those from `tied` to `last` have equal scores."""

    def __init__(self, size, tied=0, last=0):
        self.size, self.tied, self.last, self.requests = size, tied, last, []

    def __call__(self, text, count):
        self.requests.append((text, count))
        contents = np.arange(1, min(count, self.size) + 1)
        scores = np.where((contents >= self.tied) & (contents <= self.last), self.tied, contents)
        return contents, -scores.astype(float)


def test_more_hits_are_requested_only_if_the_photo_is_not_among_the_first():
    ranking = DescendingScores(5000)
    queries = [Query("a", "first"), Query("b", "deep"), Query("c", "beyond"), Query("d", "unreadable")]
    seen = []
    found = run_queries(queries, {"a": 1, "b": 700, "c": 4000, "d": None}, ranking, seen.append)
    assert found == [PhotoRank(1, FIRST), PhotoRank(700, DEEP), PhotoRank(None, DEEP), PhotoRank(None, 0)]
    requests = [("first", FIRST), ("deep", FIRST), ("deep", DEEP), ("beyond", FIRST), ("beyond", DEEP)]
    assert ranking.requests == requests
    assert seen == [1, 2, 3, 4]


def test_a_tie_at_the_last_hit_is_resolved():
    inside, outside = run_queries(
        [Query("in", "q"), Query("out", "q")], {"in": 18, "out": 25}, DescendingScores(100, tied=17, last=30)
    )
    assert inside.rank == outside.rank == (17 + 30) / 2


def test_a_library_smaller_than_the_first_request():
    assert run_queries([Query("a", "q")], {"a": 3}, DescendingScores(3)) == [PhotoRank(3, 3)]
    assert run_queries([Query("a", "q")], {"a": 3}, DescendingScores(0)) == [PhotoRank(None, 0)]
