"""Choose the caption search: imgret's own, or transformers' `generate` if imgret's does not match it.

imgret's search (`blip_beams`, `blip_decoder`, `blip_replay`) is several times faster. It calls private parts of
transformers' BLIP; only `blip_decoder` does so. So it is used only after it produced the same token ids as `generate`
with a small random BLIP that has the checkpoint's configuration.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor
from transformers import BlipConfig, BlipForConditionalGeneration

from imgret.models import blip_beams
from imgret.models.blip_beams import Search
from imgret.models.blip_decoder import Decoder, encode_image
from imgret.models.blip_replay import Decoders
from imgret.models.blip_sampling import sampled
from imgret.models.nucleus import NucleusChoice

_log = logging.getLogger(__name__)

# Takes normalised pixels (B, 3, side, side), and returns the token ids of prompt and caption for each caption of each
# image: for each prompt the best one, and then the samples.
Searcher = Callable[[Tensor], list[list[list[int]]]]

_SIZES: dict[str, Any] = {
    "hidden_size": 16,
    "intermediate_size": 32,
    "projection_dim": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
}
_TEXT = {"vocab_size": 24, "encoder_hidden_size": 16, "max_position_embeddings": 16}
_TOKENS = {"bos_token_id": 23, "sep_token_id": 3, "eos_token_id": 2, "pad_token_id": 0}
_VISION = {"image_size": 16, "patch_size": 8}
_PROMPT = [23, 5, 6]
_NEW = 8  # tokens
_SEED, _SPREAD = 9, 0.2  # of the noise on the weights; with these, captions differ and some end early
_TOLERANCE = 1e-3


def searcher(
    model: BlipForConditionalGeneration,
    prompts: Sequence[Sequence[int]],
    search: Search,
    samples: int = 0,
    *,
    replay: bool,
) -> Searcher:
    """Return the search for captions of `model` that begin with each of `prompts`, with `samples` more for each of them.

    `replay` is for GPUs, see `blip_replay`.
    """
    if not fits(model.config, search.beams):
        return lambda pixels: _of_each_image(
            [
                generated(model, pixels, prompt, search, sample)
                for prompt in prompts
                for sample in (None, *range(samples))
            ]
        )
    end, steps = model.config.text_config.sep_token_id, search.max_tokens
    decoders = [Decoders(model, prompt, search.beams, steps, replay=replay) for prompt in prompts]
    samplers = [Decoders(model, prompt, samples, steps, replay=replay) for prompt in prompts if samples]

    def captions(pixels: Tensor) -> list[list[list[int]]]:
        encoded = blip_beams.encoded_images(model, pixels)
        rows: list[list[list[int]]] = []
        for at, prompt in enumerate(prompts):
            decoder = decoders[at].of(len(pixels))
            images = decoder.images
            rows.append(blip_beams.searched(model, encoded, prompt, search, decoder))
            if samples:
                drawn = sampled(encoded, images, samplers[at].of(len(pixels)), samples, steps, end)
                rows += [[[*prompt, *of_image[sample]] for of_image in drawn] for sample in range(samples)]
        return _of_each_image(rows)

    return captions


def _of_each_image(rows: Sequence[list[list[int]]]) -> list[list[list[int]]]:
    """Turn the captions of all images, by kind, into those of each image."""
    return [list(captions) for captions in zip(*rows, strict=True)]


@torch.inference_mode()
def generated(
    model: BlipForConditionalGeneration,
    pixels: Tensor,
    prompt: Sequence[int],
    search: Search,
    sample: int | None = None,
) -> list[list[int]]:
    """Return the same as `blip_beams.generate`, or the `sample` with this number, by transformers' own `generate`."""
    end = model.config.text_config.sep_token_id
    rows = model.generate(
        pixel_values=pixels,
        # BLIP drops the last token, because it expects an end token there.
        input_ids=torch.tensor([[*prompt, end]], device=pixels.device).repeat(len(pixels), 1),
        num_beams=search.beams if sample is None else 1,
        logits_processor=[] if sample is None else [NucleusChoice(range(sample, sample + 1))],
        max_new_tokens=search.max_tokens,
        min_new_tokens=search.min_tokens or None,
        length_penalty=search.length_penalty,
        do_sample=False,
        early_stopping=False,
    ).tolist()
    return [_until(end, row, len(prompt)) for row in rows]


def fits(config: BlipConfig, beams: int) -> bool:
    """Return whether both searches find the same captions, on a small random BLIP with the same configuration."""
    return _fits(config.to_json_string(use_diff=False), beams)


@cache
def _fits(config: str, beams: int) -> bool:
    try:
        _compare(_small(config), Search(beams=beams, max_tokens=_NEW))
    except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError) as error:
        _log.warning("captioning is slower with this version of transformers: %s", error)
        return False
    return True


def _small(config: str) -> BlipForConditionalGeneration:
    """Return a BLIP of two layers with random weights; activations, biases etc. are as in `config`."""
    kinds = json.loads(config)
    small = BlipConfig(
        text_config={**kinds["text_config"], **_SIZES, **_TEXT, **_TOKENS},
        vision_config={**kinds["vision_config"], **_SIZES, **_VISION},
    )
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(_SEED)
        model = BlipForConditionalGeneration(small).float().eval()
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * _SPREAD)
    return model


@torch.inference_mode()
def _compare(model: BlipForConditionalGeneration, search: Search) -> None:
    """Raise ValueError if imgret's results differ from those of transformers; missing parts raise other errors."""
    side = _VISION["image_size"]
    pixels = torch.randn(4, 3, side, side, generator=torch.Generator().manual_seed(3))
    encoded = model.vision_model(pixels).last_hidden_state
    _equal(encode_image(model, pixels), encoded, "the encoded images differ")
    read = torch.tensor(_PROMPT).expand(len(pixels), -1)
    decoder = Decoder(model, len(pixels), _PROMPT, 1, 2)
    _equal(decoder.begin(encoded), _next(model, read, encoded), "the scores after the prompt differ")
    tokens, ancestors = (
        torch.arange(7, 7 + len(pixels))[:, None],
        torch.zeros(len(pixels), 1, 1, dtype=torch.long),
    )
    expected = _next(model, torch.cat([read, tokens], dim=1), encoded)
    _equal(decoder.read(tokens, ancestors)[:, 0], expected, "the scores after a token differ")
    if blip_beams.generate(model, pixels, _PROMPT, search) != generated(model, pixels, _PROMPT, search):
        raise ValueError("the captions differ")


def _next(model: BlipForConditionalGeneration, tokens: Tensor, encoded: Tensor) -> Tensor:
    """Return transformers' scores of the next token (B, V) for tokens (B, S) and encoded images (B, T, D)."""
    scores: Tensor = model.text_decoder(input_ids=tokens, encoder_hidden_states=encoded).logits[:, -1]
    return scores


def _equal(ours: Tensor, theirs: Tensor, problem: str) -> None:
    if ours.shape != theirs.shape or not torch.allclose(ours, theirs, atol=_TOLERANCE, rtol=_TOLERANCE):
        raise ValueError(problem)


def _until(end: int, row: list[int], prompt: int) -> list[int]:
    """Cut a row after the end token of its caption: `generate` pads the shorter rows."""
    caption = row[prompt:]
    return row[:prompt] + (caption[: caption.index(end) + 1] if end in caption else caption)
