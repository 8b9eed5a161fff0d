"""Beam search yields the same tokens as transformers' `generate`, batched or not."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from random_blip import END, blip

from imgret.models.blip_beams import Search, generate
from imgret.models.blip_decoder import Decoder
from imgret.models.blip_replay import Decoders, ReplayedDecoder


def reference(model, pixels, prompt, search):
    """Return transformers' own result for each image alone. It pads with end tokens."""
    found = []
    for picture in pixels:
        with torch.inference_mode():
            ids = model.generate(
                pixel_values=picture[None],
                input_ids=torch.tensor([[*prompt, END]]),
                num_beams=search.beams,
                max_new_tokens=search.max_tokens,
                min_new_tokens=search.min_tokens or None,
            )[0].tolist()
        words = ids[len(prompt) :]
        found.append(prompt + (words[: words.index(END) + 1] if END in words else words))
    return found


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


SEARCHES = st.builds(
    Search, beams=st.integers(1, 5), max_tokens=st.integers(1, 12), min_tokens=st.integers(0, 4)
).filter(lambda search: search.min_tokens <= search.max_tokens)


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    end_bias=st.floats(-2, 8),
    spread=st.sampled_from([0.1, 0.4, 1.0]),
    pictures=st.integers(1, 4),
    prompt=st.lists(st.integers(4, 35), max_size=4),
    search=SEARCHES,
)
def test_token_ids_equal_those_of_generate(seed, end_bias, spread, pictures, prompt, search):
    model = blip(seed, spread=spread, end_bias=end_bias)
    prompt = [36, *prompt]
    pixels = torch.randn(pictures, 3, 32, 32, generator=torch.Generator().manual_seed(seed))
    assert generate(model, pixels, prompt, search) == reference(model, pixels, prompt, search)


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    end_bias=st.floats(-2, 8),
    sizes=st.lists(st.integers(1, 3), min_size=3, max_size=7),
    search=SEARCHES,
)
def test_a_reused_decoder_yields_the_same_as_a_new_one(seed, end_bias, sizes, search):
    """The step that a GPU replays, here executed on the CPU: nothing of the previous batch remains in it."""
    model = blip(seed, end_bias=end_bias)
    prompt = [36, 5, 6]
    decoders = Decoders(model, prompt, search.beams, search.max_tokens, replay=True)
    pixels = torch.randn(sum(sizes), 3, 32, 32, generator=torch.Generator().manual_seed(seed))
    for part in pixels.split(sizes):
        assert generate(model, part, prompt, search, decoders) == generate(model, part, prompt, search)


def test_a_decoder_is_reused_from_the_second_batch_of_the_same_size_on():
    decoders = Decoders(blip(seed=1), [36], 3, 5, replay=True)
    first, second, third, other = (decoders.of(size) for size in (4, 4, 4, 3))
    assert type(first) is Decoder
    assert type(second) is ReplayedDecoder
    assert third is second
    assert type(other) is Decoder
    assert type(decoders.of(4)) is Decoder
    assert {type(Decoders(blip(seed=1), [36], 3, 5, replay=False).of(4)) for _ in range(2)} == {Decoder}


def test_captions_of_very_different_lengths_do_not_affect_each_other():
    pixels = torch.randn(24, 3, 32, 32, generator=torch.Generator().manual_seed(5))
    model = blip(seed=11, end_bias=4.0)
    search = Search(max_tokens=60)
    together = generate(model, pixels, [36, 5, 6], search)
    assert len({len(ids) for ids in together}) >= 3, "this seed must give captions that end apart"
    assert together == [generate(model, picture[None], [36, 5, 6], search)[0] for picture in pixels]
    assert together == reference(model, pixels, [36, 5, 6], search)


def test_minimum_and_maximum_number_of_tokens():
    pixels = torch.randn(2, 3, 32, 32)
    model = blip(seed=3, end_bias=50.0)
    assert [ids[1:] for ids in generate(model, pixels, [36])] == [[END], [END]]
    forced = generate(model, pixels, [36], Search(max_tokens=7, min_tokens=7))
    assert [len(ids) for ids in forced] == [8, 8]
    assert all(END not in ids for ids in forced)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_search(dtype):
    """The default on GPUs. In half precision tokens may differ, so only end tokens and shapes are compared."""
    model = blip(seed=2, spread=0.1).to(dtype)
    pixels = torch.randn(5, 3, 32, 32, generator=torch.Generator().manual_seed(1)).to(dtype)
    found = generate(model, pixels, [36, 5], Search(max_tokens=9, min_tokens=3))
    theirs = reference(model, pixels, [36, 5], Search(max_tokens=9, min_tokens=3))
    assert all(ids[:2] == [36, 5] and 5 <= len(ids) <= 11 for ids in found)
    assert sum(mine == its for mine, its in zip(found, theirs, strict=True)) >= 3
