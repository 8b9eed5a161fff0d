"""A replayed decoding step computes the same as an ordinary one, for all batches and lengths."""

from __future__ import annotations

import pytest
import torch
from random_blip import END, blip

from imgret.models.blip_beams import Search, generate
from imgret.models.blip_decoder import Decoder, encode_image
from imgret.models.blip_replay import Decoders, ReplayedDecoder
from imgret.models.blip_search import searcher

pytestmark = pytest.mark.gpu

BATCHES = (1, 2, 3, 5, 8, 16, 31, 64, 128)
PROMPT = [36, 5, 6]
BEAMS = 3
STEPS = 12
ROUNDING = {torch.float32: 1e-4, torch.bfloat16: 0.15, torch.float16: 0.02}  # of logits of about 1


def pixels(count, seed, like):
    made = torch.randn(count, 3, 32, 32, generator=torch.Generator().manual_seed(seed))
    return made.to(like.device, like.dtype)


def weight_of(model):
    return model.text_decoder.bert.embeddings.word_embeddings.weight


@torch.inference_mode()
def assert_same_steps(model, batch, replayed, seed):
    """Decode one batch with both, with random beams and tokens, and compare the logits of each step."""
    like, numbers = weight_of(model), torch.Generator().manual_seed(seed)
    encoded = encode_image(model, pixels(batch, seed, like))
    plain = Decoder(model, batch, PROMPT, BEAMS, STEPS)
    tolerance = ROUNDING[like.dtype]
    torch.testing.assert_close(replayed.begin(encoded), plain.begin(encoded), atol=tolerance, rtol=tolerance)
    own = torch.arange(BEAMS).expand(batch, BEAMS)[..., None]
    past = own[..., :0]
    for _ in range(STEPS):
        parents = torch.randint(BEAMS, (batch, BEAMS), generator=numbers)  # as beams are reordered
        past = torch.cat([past.gather(1, parents[..., None].expand_as(past)), own], dim=-1)
        tokens = torch.randint(4, 36, (batch, BEAMS), generator=numbers).to(like.device)
        found, expected = (each.read(tokens, past.to(like.device)) for each in (replayed, plain))
        torch.testing.assert_close(found, expected, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("batch", BATCHES)
def test_a_replayed_step_equals_the_ordinary_one(device, batch, dtype, caplog):
    model = blip(seed=4, spread=0.1).to(device, dtype)
    replayed = ReplayedDecoder(model, batch, PROMPT, BEAMS, STEPS)
    for seed in (1, 2, 3):  # the graph is recorded in the first step and replayed for further photos
        assert_same_steps(model, batch, replayed, seed)
    assert not caplog.records, "the step could not be recorded"


def test_a_gpu_records_the_step(cuda):
    model = blip(seed=4).to(cuda)
    replayed = ReplayedDecoder(model, 2, PROMPT, BEAMS, STEPS)
    assert_same_steps(model, 2, replayed, 1)
    assert isinstance(replayed._again.__self__, torch.cuda.CUDAGraph)


@pytest.mark.parametrize("batch", BATCHES)
def test_captions_that_end_at_different_lengths(device, batch):
    """In float64, where no two beams are so close that rounding decides between them."""
    model = blip(seed=11, end_bias=4.0).to(device, torch.float64)
    images, search = pixels(3 * batch, batch, weight_of(model)), Search(beams=BEAMS, max_tokens=40)
    decoders = Decoders(model, PROMPT, BEAMS, 40, replay=True)
    for part in images.split(batch):  # the first batch of a size is not recorded
        assert generate(model, part, PROMPT, search, decoders) == generate(model, part, PROMPT, search)
    if batch >= 64:
        assert len({len(ids) for ids in generate(model, images, PROMPT, search)}) > 2


@pytest.mark.parametrize("tokens", [1, 2, 3, 7, 20, 60])
def test_captions_of_every_length(device, tokens):
    model = blip(seed=3).to(device, torch.float64)
    search = Search(beams=BEAMS, max_tokens=tokens, min_tokens=tokens)
    decoders = Decoders(model, PROMPT, BEAMS, tokens, replay=True)
    for part in pixels(15, tokens, weight_of(model)).split(5):
        found = generate(model, part, PROMPT, search, decoders)
        assert found == generate(model, part, PROMPT, search)
        assert {len(ids) for ids in found} == {len(PROMPT) + tokens}
        assert all(END not in ids for ids in found)


@pytest.mark.parametrize("samples", [1, 4])
def test_several_captions_are_the_same_on_every_device(device, samples):
    """The best caption and the samples of two prompts: replayed, not replayed, and on a processor."""
    search, images = Search(beams=BEAMS, max_tokens=9), torch.randn(12, 3, 32, 32, dtype=torch.float64)
    found = []
    for on, replay in ((device, True), (device, False), ("cpu", False)):
        model = blip(seed=6, spread=0.2).to(on, torch.float64)
        captions = searcher(model, [PROMPT, [36, 7]], search, samples, replay=replay)
        with torch.inference_mode():
            found.append([captions(part.to(on)) for part in images.split(4)])
    assert found[0] == found[1] == found[2]
    of_photo = found[0][0][0]
    assert len(of_photo) == 2 * (1 + samples)
    assert len({tuple(ids) for ids in of_photo}) > 2


def test_batches_of_changing_sizes(device):
    model = blip(seed=5, end_bias=2.0).to(device, torch.float64)
    search, sizes = Search(beams=BEAMS, max_tokens=15), [8, 8, 8, 3, 8, 8, 1, 1, 1, 3, 3]
    decoders = Decoders(model, PROMPT, BEAMS, 15, replay=True)
    for part in pixels(sum(sizes), 9, weight_of(model)).split(sizes):
        assert generate(model, part, PROMPT, search, decoders) == generate(model, part, PROMPT, search)
