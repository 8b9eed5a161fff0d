"""How the stages are divided into passes over the library, by measured costs."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from imgret.pipeline.passes import SPLIT_FACTOR, Costs, passes, photos_within, seconds_left, tiers
from imgret.stages import registry
from imgret.stages.interface import DECODE

NAMES = (DECODE, *registry.own().names)
STAGES = st.frozensets(st.sampled_from(NAMES), min_size=1)
SECONDS = st.dictionaries(st.sampled_from(NAMES), st.floats(1e-4, 10))


def costs(seconds: dict[str, float]) -> Costs:
    measured = Costs()
    for stage, each in seconds.items():
        measured.add(stage, each, 1)
    return measured


@given(stages=STAGES, waiting=STAGES, seconds=SECONDS)
def test_each_stage_is_in_one_pass_and_none_before_those_it_reads(
    stages: frozenset[str], waiting: frozenset[str], seconds: dict[str, float]
) -> None:
    for made in (tiers(stages), passes(stages, waiting, costs(seconds))):
        assert sorted(stage for each in made for stage in each) == sorted(stages)
        place = {stage: number for number, each in enumerate(made) for stage in each}
        for stage in registry.own().stages:
            for read in stage.stages:
                if stage.name in place and read in place:
                    assert place[read] <= place[stage.name]


def test_slow_captions_wait_until_all_photos_have_the_cheap_stages() -> None:
    stages = frozenset(NAMES)
    slow = dict.fromkeys(NAMES, 0.0)
    slow |= {
        DECODE: 0.05,
        "image": 0.07,
        "detect": 0.1,
        "ocr": 0.2,
        "caption": 1.4,
        "topics": 0.02,
        "embed": 0.03,
    }
    first, second, third = passes(stages, stages, costs(slow))
    assert first >= {DECODE, "image"}
    assert second == {"detect", "ocr"}
    assert third >= {"caption", "topics", "embed"}


def test_photos_are_not_decoded_again_for_models_that_are_as_fast() -> None:
    stages = frozenset(NAMES)
    fast = dict.fromkeys(NAMES, 0.001) | {DECODE: 0.004, "detect": 0.002, "caption": 0.004}
    assert passes(stages, stages, costs(fast)) == [stages]


def test_stages_without_work_cause_no_pass_of_their_own() -> None:
    stages = frozenset(NAMES)
    assert passes(stages, {DECODE, "caption", "topics", "embed"}, Costs())[0] == stages - {
        "caption",
        "topics",
        "embed",
    }
    assert passes(stages, {"embed"}, Costs()) == [stages]


@given(before=st.floats(0.001, 1), factor=st.floats(0.1, 20))
def test_a_pass_is_split_where_the_rest_takes_several_times_as_long(before: float, factor: float) -> None:
    stages = frozenset({DECODE, "detect"})
    made = passes(stages, stages, costs({DECODE: before, "detect": factor * before}))
    if abs(factor - SPLIT_FACTOR) > 1e-6:
        assert len(made) == (2 if factor > SPLIT_FACTOR else 1)


def test_the_first_measurement_of_a_model_is_replaced() -> None:
    measured = Costs(decoders=2, devices=4)
    for seconds in (60.0, 8.0):  # the first one includes the start
        measured.add("caption", seconds, 8)
    assert measured.of("caption") == 8.0 / 8 / 4
    measured.add(DECODE, 1.0, 1)
    assert measured.of(DECODE) == 0.5
    assert measured.total(["caption"]) == 0.75
    assert measured.total(["detect"]) is None
    assert photos_within(7.5, ["caption"], measured) == 10
    assert photos_within(7.5, ["detect"], measured) == 0


def test_the_time_left_adds_up_over_the_passes() -> None:
    measured = costs({DECODE: 0.1, "detect": 0.4, "caption": 2.0})
    waiting = {DECODE: 5, "detect": 10, "caption": 100, "topics": 100}
    order = [frozenset({DECODE}), frozenset({"detect"}), frozenset({"caption"}), frozenset({"topics"})]
    left = seconds_left(waiting, order, measured)
    assert {stage: seconds and round(seconds, 6) for stage, seconds in left.items()} == {
        DECODE: 0.5,
        "detect": 5.5,
        "caption": 215.5,
        "topics": None,
    }
