"""The measures, on cases worked out by hand and on laws that hold for every ranking."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgret.evaluate.metrics import (
    MEASURES,
    MEDIAN,
    PER_1000,
    Answer,
    answer,
    differences,
    ranks,
    scores,
)


def at(position, gallery=10):
    return Answer(float(position), gallery)


def values(answers, asked=None, photos=10):
    asked = range(len(answers)) if asked is None else asked
    return {name: score.value for name, score in scores(ranks(answers, asked, photos), resamples=50).items()}


def ranking(*scores_):
    return np.arange(1, len(scores_) + 1), np.array(scores_, float)


def test_measures_worked_out_by_hand():
    found = values([at(1), at(2), at(6), at(21)], photos=100)
    assert found["R@1"] == pytest.approx(1 / 4)
    assert found["R@5"] == pytest.approx(2 / 4)
    assert found["R@20"] == pytest.approx(3 / 4)
    assert found[MEDIAN] == pytest.approx(4)
    assert found[PER_1000] == pytest.approx(10 * (1 + 2 + 6 + 21) / 4)
    assert found["MRR"] == pytest.approx((1 + 1 / 2 + 1 / 6 + 1 / 21) / 4)
    assert found["nDCG@10"] == pytest.approx((1 + 1 / math.log2(3) + 1 / math.log2(7)) / 4)


def test_the_figures_are_those_of_ir_measures():
    """Success@k, RR and nDCG@10 of these rankings by ir-measures 0.4.3 (pytrec_eval)."""
    places = [(number * 37 % 61 + 1, 25 if number % 3 == 0 else 61) for number in range(300)]
    found = values([Answer(float(p) if p <= n else None, n) for p, n in places], photos=61)
    assert found["R@1"] == pytest.approx(0.016666666666666666)
    assert found["R@5"] == pytest.approx(0.08333333333333333)
    assert found["R@20"] == pytest.approx(0.33)
    assert found["MRR"] == pytest.approx(0.07290467214202109)
    assert found["nDCG@10"] == pytest.approx(0.0757259889681391)


def test_a_photo_that_is_not_returned_is_a_miss_and_takes_the_middle_of_the_rest():
    found = values([Answer(None, 4)], photos=10)  # ranks 5 to 10 are left: 7.5 on average
    assert (found["R@20"], found["MRR"], found["nDCG@10"]) == (0, 0, 0)
    assert found[MEDIAN] == 7.5
    assert found[PER_1000] == 750


def test_one_photo_has_a_degenerate_interval():
    for score in scores(ranks([at(1, 1), at(1, 1)], ["a", "a"], 1)).values():
        assert score.low == score.value == score.high


def test_nothing_asked_is_refused():
    with pytest.raises(ValueError, match="nothing was asked"):
        ranks([], [], 3)


def test_as_many_answers_as_questions():
    with pytest.raises(ValueError, match="1 answers to 2 questions"):
        ranks([at(1)], ["a", "b"], 3)


def test_equal_scores_share_the_middle_of_their_ranks():
    contents, falling = ranking(0.9, 0.5, 0.5, 0.5, 0.1)
    assert [answer(contents, falling, right).rank for right in (1, 2, 3, 4, 5)] == [1, 3, 3, 3, 5]


def test_what_is_not_in_the_ranking_or_not_in_the_index_has_no_rank():
    contents, falling = ranking(0.9, 0.5)
    assert answer(contents, falling, 7) == Answer(None, 2)
    assert answer(contents, falling, None) == Answer(None, 2)
    assert answer(*ranking(), 7) == Answer(None, 0)


def test_rising_scores_are_refused():
    with pytest.raises(ValueError, match="must fall"):
        answer(*ranking(0.1, 0.9), 1)


def test_captions_of_one_photo_make_the_interval_wider_than_as_many_photos_would():
    answers = [at(1)] * 50 + [at(9)] * 50
    clustered = scores(ranks(answers, [number // 10 for number in range(100)], 10))["R@1"]
    apart = scores(ranks(answers, range(100), 10))["R@1"]
    assert clustered.value == apart.value == 0.5
    assert clustered.high - clustered.low > 2 * (apart.high - apart.low)


def test_the_interval_is_that_of_the_binomial_where_theory_knows_it():
    answers = [at(1)] * 300 + [at(9)] * 700
    score = scores(ranks(answers, range(1000), 10))["R@1"]
    half = 1.96 * math.sqrt(0.3 * 0.7 / 1000)
    assert score.low == pytest.approx(0.3 - half, abs=0.005)
    assert score.high == pytest.approx(0.3 + half, abs=0.005)


def test_a_clear_improvement_is_seen_and_chance_is_not():
    asked = range(200)
    worse = ranks([at(3)] * 100 + [at(1)] * 100, asked, 10)
    better = ranks([at(1)] * 200, asked, 10)
    found = differences(worse, better)
    assert all(found[measure].better(measure) for measure in ("R@1", "MRR", "nDCG@10", PER_1000))
    assert found["R@1"].p < 0.01
    assert found[PER_1000].value < 0
    back = differences(better, worse)
    assert back["R@1"].better("R@1") is False
    swapped = ranks([at(3), at(1)] * 100, asked, 10)
    assert differences(swapped, ranks([at(1), at(3)] * 100, asked, 10))["R@1"].better("R@1") is None


def test_a_ranking_does_not_differ_from_itself():
    same = ranks([at(1), at(4)], "ab", 10)
    for difference in differences(same, same).values():
        assert (difference.value, difference.low, difference.high, difference.p) == (0, 0, 0, 1)


def test_only_the_same_questions_can_be_compared():
    with pytest.raises(ValueError, match="same questions"):
        differences(ranks([at(1)] * 2, "ab", 9), ranks([at(1)] * 2, "aa", 9))


some_answers = st.integers(1, 40).flatmap(
    lambda photos: st.tuples(
        st.just(photos),
        st.lists(
            st.tuples(
                st.integers(0, photos - 1),
                st.one_of(
                    st.integers(1, photos).map(lambda rank: Answer(float(rank), photos)),
                    st.integers(0, photos - 1).map(lambda returned: Answer(None, returned)),
                ),
            ),
            min_size=1,
            max_size=30,
        ),
    )
)


@given(some_answers)
def test_laws_of_every_ranking(case):
    photos, asked = case
    made = ranks([each for _, each in asked], [photo for photo, _ in asked], photos)
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


@given(some_answers, st.randoms(use_true_random=False))
def test_the_order_of_the_questions_does_not_matter(case, random):
    photos, asked = case
    shuffled = random.sample(asked, len(asked))
    one, other = (
        values([each for _, each in some], [photo for photo, _ in some], photos) for some in (asked, shuffled)
    )
    assert one == pytest.approx(other)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=12), st.data())
def test_a_rank_with_ties_is_the_mean_over_all_orders_of_the_equal(levels, data):
    falling = sorted(levels, reverse=True)
    right = data.draw(st.integers(1, len(levels)))
    first = falling.index(falling[right - 1]) + 1
    last = first + falling.count(falling[right - 1]) - 1
    assert answer(*ranking(*falling), right).rank == (first + last) / 2


@given(some_answers)
def test_a_better_rank_never_harms(case):
    photos, asked = case
    number = [photo for photo, _ in asked]
    before = ranks([each for _, each in asked], number, photos)
    after = ranks([Answer(1.0, photos), *[each for _, each in asked[1:]]], number, photos)
    for measure, difference in differences(before, after, resamples=20).items():
        assert difference.better(measure) is not False
        assert difference.value <= 0 if measure in (PER_1000, MEDIAN) else difference.value >= 0
