"""If transformers changes the internals of BLIP, captions are computed by its own `generate`."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import BlipConfig, BlipForConditionalGeneration, BlipProcessor
from transformers.models.blip import modeling_blip, modeling_blip_text

from imgret.config import Settings
from imgret.demo import draw
from imgret.models import blip_beams, blip_search
from imgret.models.blip import BlipCaptioner
from imgret.models.blip_beams import Search
from imgret.models.model_protocols import Pixels
from imgret.photo import ModelIdentity
from imgret.stages.passage import PROMPT

Change = Callable[[pytest.MonkeyPatch], None]


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Clear the cached result of the comparison before and after the test."""
    blip_search._fits.cache_clear()
    yield monkeypatch
    monkeypatch.undo()
    blip_search._fits.cache_clear()


@pytest.mark.must_run
@pytest.mark.parametrize("beams", [1, 3])
def test_the_pinned_transformers_is_supported(fresh: pytest.MonkeyPatch, tiny: Settings, beams: int) -> None:
    """Without imgret's own search a photo takes several times as long."""
    assert blip_search.fits(BlipConfig.from_pretrained(tiny.of("caption").weights), beams)
    assert blip_search.fits(BlipConfig(), beams)


def test_the_published_captioner_is_supported(fresh: pytest.MonkeyPatch, seed: Path) -> None:
    assert blip_search.fits(BlipConfig.from_pretrained(seed / "fusecap"), 3)


def test_the_comparison_does_not_change_the_global_random_state(
    fresh: pytest.MonkeyPatch, tiny: Settings
) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    blip_search.fits(BlipConfig.from_pretrained(tiny.of("caption").weights), 3)
    assert torch.equal(torch.rand(3), expected)


def test_the_small_model_writes_different_captions(tiny: Settings) -> None:
    """Its captions differ in tokens and length: with equal captions the comparison would prove nothing."""
    model = blip_search._small(BlipConfig().to_json_string(use_diff=False))
    pixels = torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(3))
    captions = blip_search.generated(model, pixels, [23, 5, 6], Search(beams=3, max_tokens=8))
    assert len({tuple(caption) for caption in captions}) == 4
    assert len({len(caption) for caption in captions}) > 1


def _feed_forward_is_renamed(patch: pytest.MonkeyPatch) -> None:
    layer = modeling_blip_text.BlipTextLayer
    real = layer.feed_forward_chunk

    def forward(self, hidden, encoder_hidden_states=None, attention_mask=None, encoder_attention_mask=None,
                past_key_values=None, **_):  # fmt: skip
        hidden, _ = self.attention(hidden, attention_mask=attention_mask, past_key_values=past_key_values)
        hidden, _ = self.crossattention(
            hidden,
            attention_mask=encoder_attention_mask,
            encoder_hidden_states=encoder_hidden_states,
            past_key_values=past_key_values,
        )
        return real(self, hidden)

    patch.delattr(layer, "feed_forward_chunk")
    patch.setattr(layer, "forward", forward)


def _an_argument_is_added(patch: pytest.MonkeyPatch) -> None:
    layer = modeling_blip_text.BlipTextSelfOutput
    real = layer.forward

    def attention(self, hidden, *given, **named):
        states, weights = self.self(hidden, *given, **named)
        return self.output(states, hidden, scale=1.0), weights

    def forward(self, hidden, residual, *, scale):
        return real(self, hidden, residual) * scale

    patch.setattr(modeling_blip_text.BlipTextAttention, "forward", attention)
    patch.setattr(layer, "forward", forward)


def _vision_attention_is_changed(patch: pytest.MonkeyPatch) -> None:
    real = modeling_blip.BlipAttention.forward

    def forward(self, hidden_states, **named):
        output, weights = real(self, hidden_states, **named)
        return output * 0.9, weights

    patch.setattr(modeling_blip.BlipAttention, "forward", forward)


def _text_attention_is_changed(patch: pytest.MonkeyPatch) -> None:
    real = modeling_blip_text.BlipTextSelfAttention.forward

    def forward(self, hidden_states, *given, **named):
        states, weights = real(self, hidden_states, *given, **named)
        return states * 0.9, weights

    patch.setattr(modeling_blip_text.BlipTextSelfAttention, "forward", forward)


def _generate_prefers_short_captions(patch: pytest.MonkeyPatch) -> None:
    real = modeling_blip_text.BlipTextLMHeadModel.generate

    def generate(self, *given, **named):
        return real(self, *given, **named | {"length_penalty": -20.0})

    patch.setattr(modeling_blip_text.BlipTextLMHeadModel, "generate", generate)


@pytest.mark.must_run
@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (_feed_forward_is_renamed, "no attribute 'feed_forward_chunk'"),
        (_an_argument_is_added, "missing 1 required keyword-only argument: 'scale'"),
        (_vision_attention_is_changed, "the encoded images differ"),
        (_text_attention_is_changed, "the scores after the prompt differ"),
        (_generate_prefers_short_captions, "the captions differ"),
    ],
)
def test_a_changed_blip_is_used_through_its_documented_interface(
    fresh: pytest.MonkeyPatch, tiny: Settings, caplog: pytest.LogCaptureFixture, change: Change, problem: str
) -> None:
    change(fresh)
    rng = random.Random(8)
    images = [np.asarray(draw.render(draw.single(rng))) for _ in range(3)]
    captioner = _captioner(tiny)
    assert captioner.captions(images) == [[_by_transformers(tiny, image)] for image in images]
    assert problem in caplog.text
    captioner.close()


def test_both_searches_write_the_same_caption(fresh: pytest.MonkeyPatch, tiny: Settings) -> None:
    rng = random.Random(9)
    images = [np.asarray(draw.render(draw.scene(rng, 3))) for _ in range(12)]
    ours = _captioner(tiny)
    fresh.setattr(blip_search, "fits", lambda *_: False)
    theirs = _captioner(tiny)
    captions = theirs.captions(images)
    assert ours.captions(images) == captions
    assert len({first for (first,) in captions}) > 2


@pytest.mark.parametrize("beams", [1, 2, 3])
@pytest.mark.parametrize(("most", "least"), [(8, 0), (8, 3), (1, 0)])
def test_both_searches_find_the_same_ids_in_a_batch(beams: int, most: int, least: int) -> None:
    model = blip_search._small(BlipConfig().to_json_string(use_diff=False))
    pixels = torch.randn(6, 3, 16, 16, generator=torch.Generator().manual_seed(4))
    search = Search(beams=beams, max_tokens=most, min_tokens=least)
    theirs = blip_search.generated(model, pixels, [23, 5], search)
    assert theirs == blip_beams.generate(model, pixels, [23, 5], search)


def _captioner(tiny: Settings) -> BlipCaptioner:
    weights = tiny.of("caption").weights
    return BlipCaptioner(
        weights, ModelIdentity("tiny", "1"), "cpu", prompts=[PROMPT], max_tokens=12, dtype="float32"
    )


def _by_transformers(tiny: Settings, image: Pixels) -> str:
    """Caption an image with the library, as in its documentation."""
    processor = BlipProcessor.from_pretrained(tiny.of("caption").weights, backend="pil")
    inputs = processor(Image.fromarray(image), PROMPT, return_tensors="pt")
    model = BlipForConditionalGeneration.from_pretrained(tiny.of("caption").weights).eval()
    with torch.inference_mode():
        ids = model.generate(**inputs, num_beams=3, max_new_tokens=12)
    caption: str = processor.decode(ids[0], skip_special_tokens=True, clean_up_tokenization_spaces=True)
    return caption.strip()
