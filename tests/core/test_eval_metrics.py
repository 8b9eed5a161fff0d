"""The measures: cases computed by hand, and properties of every ranking."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgret.evaluate.metrics import (
    MEASURES,
    MEDIAN,
    PER_1000,
    PhotoRank,
    differences,
    photo_rank,
    ranks,
    scores,
)


def at(position, gallery=10):
    return PhotoRank(float(position), gallery)


def values(found, relevant=None, photos=10):
    relevant = range(len(found)) if relevant is None else relevant
    return {name: score.value for name, score in scores(ranks(found, relevant, photos), resamples=50).items()}


def ranking(*scores_):
    return np.arange(1, len(scores_) + 1), np.array(scores_, float)


def test_measures_computed_by_hand():
    found = values([at(1), at(2), at(6), at(21)], photos=100)
    assert found["R@1"] == pytest.approx(1 / 4)
    assert found["R@5"] == pytest.approx(2 / 4)
    assert found["R@20"] == pytest.approx(3 / 4)
    assert found[MEDIAN] == pytest.approx(4)
    assert found[PER_1000] == pytest.approx(10 * (1 + 2 + 6 + 21) / 4)
    assert found["MRR"] == pytest.approx((1 + 1 / 2 + 1 / 6 + 1 / 21) / 4)
    assert found["nDCG@10"] == pytest.approx((1 + 1 / math.log2(3) + 1 / math.log2(7)) / 4)


def test_measures_equal_those_of_ir_measures():
    """Success@k, RR and nDCG@10 of these rankings, computed with ir-measures 0.4.3 (pytrec_eval)."""
    places = [(number * 37 % 61 + 1, 25 if number % 3 == 0 else 61) for number in range(300)]
    found = values([PhotoRank(float(p) if p <= n else None, n) for p, n in places], photos=61)
    assert found["R@1"] == pytest.approx(0.016666666666666666)
    assert found["R@5"] == pytest.approx(0.08333333333333333)
    assert found["R@20"] == pytest.approx(0.33)
    assert found["MRR"] == pytest.approx(0.07290467214202109)
    assert found["nDCG@10"] == pytest.approx(0.0757259889681391)


def test_a_photo_that_is_not_returned_is_a_miss_with_the_mean_remaining_rank():
    found = values([PhotoRank(None, 4)], photos=10)  # ranks 5 to 10 remain: 7.5 on average
    assert (found["R@20"], found["MRR"], found["nDCG@10"]) == (0, 0, 0)
    assert found[MEDIAN] == 7.5
    assert found[PER_1000] == 750


def test_one_photo_has_a_degenerate_interval():
    for score in scores(ranks([at(1, 1), at(1, 1)], ["a", "a"], 1)).values():
        assert score.low == score.value == score.high


def test_no_queries_are_refused():
    with pytest.raises(ValueError, match="there are no queries"):
        ranks([], [], 3)


def test_results_must_match_the_queries():
    with pytest.raises(ValueError, match="1 results for 2 queries"):
        ranks([at(1)], ["a", "b"], 3)


def test_equal_scores_get_their_mean_rank():
    contents, falling = ranking(0.9, 0.5, 0.5, 0.5, 0.1)
    assert [photo_rank(contents, falling, right).rank for right in (1, 2, 3, 4, 5)] == [1, 3, 3, 3, 5]


def test_photos_outside_the_ranking_or_the_index_have_no_rank():
    contents, falling = ranking(0.9, 0.5)
    assert photo_rank(contents, falling, 7) == PhotoRank(None, 2)
    assert photo_rank(*ranking(), 7) == PhotoRank(None, 0)


def test_the_order_of_a_ranking_has_no_influence():
    assert [photo_rank(*ranking(0.1, 0.9, 0.5, 0.9), right).rank for right in (1, 2, 3, 4)] == [
        4,
        1.5,
        3,
        1.5,
    ]


def test_captions_of_one_photo_make_the_interval_wider_than_captions_of_different_photos():
    answers = [at(1)] * 50 + [at(9)] * 50
    clustered = scores(ranks(answers, [number // 10 for number in range(100)], 10))["R@1"]
    apart = scores(ranks(answers, range(100), 10))["R@1"]
    assert clustered.value == apart.value == 0.5
    assert clustered.high - clustered.low > 2 * (apart.high - apart.low)


def test_the_interval_of_a_proportion_is_the_binomial_one():
    answers = [at(1)] * 300 + [at(9)] * 700
    score = scores(ranks(answers, range(1000), 10))["R@1"]
    half = 1.96 * math.sqrt(0.3 * 0.7 / 1000)
    assert score.low == pytest.approx(0.3 - half, abs=0.005)
    assert score.high == pytest.approx(0.3 + half, abs=0.005)


def test_a_clear_improvement_is_significant_and_chance_is_not():
    results = range(200)
    worse = ranks([at(3)] * 100 + [at(1)] * 100, results, 10)
    better = ranks([at(1)] * 200, results, 10)
    found = differences(worse, better)
    assert all(found[measure].better(measure) for measure in ("R@1", "MRR", "nDCG@10", PER_1000))
    assert found["R@1"].p < 0.01
    assert found[PER_1000].value < 0
    back = differences(better, worse)
    assert back["R@1"].better("R@1") is False
    swapped = ranks([at(3), at(1)] * 100, results, 10)
    assert differences(swapped, ranks([at(1), at(3)] * 100, results, 10))["R@1"].better("R@1") is None


def test_a_ranking_does_not_differ_from_itself():
    same = ranks([at(1), at(4)], "ab", 10)
    for difference in differences(same, same).values():
        assert (difference.value, difference.low, difference.high, difference.p) == (0, 0, 0, 1)


def test_only_the_same_queries_can_be_compared():
    with pytest.raises(ValueError, match="same queries"):
        differences(ranks([at(1)] * 2, "ab", 9), ranks([at(1)] * 2, "aa", 9))


some_results = st.integers(1, 40).flatmap(
    lambda photos: st.tuples(
        st.just(photos),
        st.lists(
            st.tuples(
                st.integers(0, photos - 1),
                st.one_of(
                    st.integers(1, photos).map(lambda rank: PhotoRank(float(rank), photos)),
                    st.integers(0, photos - 1).map(lambda returned: PhotoRank(None, returned)),
                ),
            ),
            min_size=1,
            max_size=30,
        ),
    )
)


@given(some_results)
def test_properties_of_every_ranking(case):
    photos, results = case
    made = ranks([each for _, each in results], [photo for photo, _ in results], photos)
    found = scores(made, resamples=40)
    assert tuple(found) == MEASURES
    value = {name: score.value for name, score in found.items()}
    assert 0 <= value["R@1"] <= value["R@5"] <= value["R@20"] <= 1
    assert value["R@1"] <= value["nDCG@10"] <= 1
    assert value["R@1"] <= value["MRR"] <= 1
    assert 1000 / photos - 1e-9 <= value[PER_1000] <= 1000 + 1e-9
    assert 1 <= value[MEDIAN] <= photos
    assert value[MEDIAN] == pytest.approx(np.median(made.expected))
    assert all(score.low <= score.high for score in found.values())
    assert found == scores(made, resamples=40)


@given(some_results, st.randoms(use_true_random=False))
def test_the_order_of_the_queries_does_not_matter(case, random):
    photos, results = case
    shuffled = random.sample(results, len(results))
    one, other = (
        values([each for _, each in some], [photo for photo, _ in some], photos)
        for some in (results, shuffled)
    )
    assert one == pytest.approx(other)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=12), st.data())
def test_a_rank_with_ties_is_the_mean_over_all_orders(levels, data):
    falling = sorted(levels, reverse=True)
    right = data.draw(st.integers(1, len(levels)))
    first = falling.index(falling[right - 1]) + 1
    last = first + falling.count(falling[right - 1]) - 1
    assert photo_rank(*ranking(*falling), right).rank == (first + last) / 2


@given(some_results)
def test_a_better_rank_never_lowers_a_measure(case):
    photos, results = case
    number = [photo for photo, _ in results]
    before = ranks([each for _, each in results], number, photos)
    after = ranks([PhotoRank(1.0, photos), *[each for _, each in results[1:]]], number, photos)
    for measure, difference in differences(before, after, resamples=20).items():
        assert difference.better(measure) is not False
        assert difference.value <= 0 if measure in (PER_1000, MEDIAN) else difference.value >= 0
