"""Several captions of an image: sampled with fixed noise, the same in every batch and through both searches."""

from __future__ import annotations

import random
from collections import Counter

import msgspec
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import BlipConfig, BlipForConditionalGeneration

from imgret.config import Places, Settings
from imgret.demo import draw
from imgret.models import blip_search, nucleus
from imgret.models.blip_beams import Search
from imgret.pipeline.loading import load_models
from imgret.pipeline.models import Models
from imgret.stages.interface import Item

PROMPTS = ([23, 5], [23, 7, 6])


@pytest.fixture(scope="module")
def small() -> BlipForConditionalGeneration:
    """A random BLIP whose captions differ in tokens and length."""
    return blip_search._small(BlipConfig().to_json_string(use_diff=False))


def images(count: int) -> torch.Tensor:
    return torch.randn(count, 3, 16, 16, generator=torch.Generator().manual_seed(4))


@pytest.mark.must_run
@pytest.mark.parametrize("most", [1, 8])
def test_both_searches_sample_the_same_ids(
    small: BlipForConditionalGeneration, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    search = Search(beams=2, max_tokens=most)
    ours = blip_search.searcher(small, PROMPTS, search, 3, replay=False)(images(7))
    monkeypatch.setattr(blip_search, "fits", lambda *_: False)
    assert ours == blip_search.searcher(small, PROMPTS, search, 3, replay=False)(images(7))
    assert all(len(captions) == 2 * (1 + 3) for captions in ours)
    lengths = {len(caption) for captions in ours for caption in captions}
    assert most == 1 or len(lengths) > 3  # some end early


@pytest.mark.parametrize("replay", [False, True])
def test_samples_do_not_depend_on_the_batch(small: BlipForConditionalGeneration, replay: bool) -> None:
    find = blip_search.searcher(small, PROMPTS[:1], Search(max_tokens=8), 2, replay=replay)
    alone = [find(image[None])[0] for image in images(6)]
    assert find(images(6)) == alone
    assert find(images(6)) == alone  # recorded steps, if `replay`


def test_samples_differ_from_each_other_and_between_images(small: BlipForConditionalGeneration) -> None:
    found = blip_search.searcher(small, PROMPTS[:1], Search(max_tokens=8), 3, replay=False)(images(12))
    assert np.mean([len({tuple(caption) for caption in captions}) for captions in found]) > 3
    assert len({tuple(captions[1]) for captions in found}) > 6


@pytest.mark.must_run
def test_the_first_caption_is_the_recipes(models: Models, tiny: Settings, here: Places) -> None:
    rng = random.Random(21)
    photos = [np.asarray(draw.render(draw.scene(rng, 4))) for _ in range(8)]
    items = [Item(photo) for photo in photos]
    expected = [result.payload for result in models["caption"].run(items)]  # type: ignore[union-attr]
    assert all(len(payload) == 1 for payload in expected)
    three = tiny.with_tables(caption=msgspec.structs.replace(tiny.of("caption"), captions=3))
    loaded = load_models(three, here, ["caption"])
    found = [result.payload for result in loaded["caption"].run(items)]  # type: ignore[union-attr]
    assert [payload[:1] for payload in found] == expected
    assert all(1 <= len(set(payload)) == len(payload) <= 3 for payload in found)
    assert loaded["caption"].identity.settings == models["caption"].identity.settings + " captions=3"
    loaded.close()


def test_each_prompt_has_a_caption_that_begins_with_it(tiny: Settings, here: Places) -> None:
    prompts = ("a picture of ", "a picture of a red")
    with_two = tiny.with_tables(
        caption=msgspec.structs.replace(tiny.of("caption"), prompts=prompts, max_tokens=20)
    )
    loaded = load_models(with_two, here, ["caption"])
    blue = np.asarray(draw.render(draw.single(random.Random(3))))
    (captions,) = loaded["caption"].captioner.captions([blue])  # type: ignore[attr-defined]
    assert len(captions) == 2
    assert all(caption.startswith(prompt) for caption, prompt in zip(captions, prompts, strict=True))
    loaded.close()


LOGITS = st.lists(st.floats(-8, 8, width=32), min_size=1, max_size=80)


@settings(max_examples=60, deadline=None)
@given(LOGITS, st.integers(0, 9), st.integers(0, 60))
def test_a_token_is_of_the_nucleus(logits: list[float], sample: int, step: int) -> None:
    given_ = torch.tensor(logits)
    chosen = int(nucleus.choose(given_.expand(sample + 1, -1), sample + 1, step)[sample])
    kept = given_.sort(descending=True).values[: nucleus._MOST_PROBABLE].softmax(0)
    size = int((kept.cumsum(0) - kept < nucleus._NUCLEUS).sum())
    assert given_[chosen] >= given_.sort(descending=True).values[size - 1]
    alone = nucleus.NucleusChoice(range(sample, sample + 1))
    for _ in range(step):
        alone(torch.zeros(1, 1), torch.zeros(1, 3))
    scores = alone(torch.zeros(1, 1), given_[None])
    assert scores.isfinite().nonzero().tolist() == [[0, chosen]]


def test_tokens_are_as_frequent_as_they_are_probable() -> None:
    probable = torch.tensor([0.5, 0.3, 0.15, 0.05])  # the last one is outside the nucleus
    found = Counter(
        int(token) for step in range(100) for token in nucleus.choose(probable.log().expand(20, -1), 20, step)
    )
    expected = {token: 2000 * float(probable[token]) / 0.95 for token in range(3)}
    assert found.keys() == expected.keys()
    assert all(abs(found[token] - expected[token]) < 120 for token in expected)  # five deviations
