"""Which search writes the captions: imgret's own, or transformers' `generate` where ours does not fit.

Ours (`blip_beams`, `blip_decoder`, `blip_replay`) is several times faster. It calls the parts of transformers' BLIP
one by one, by names that are not its public interface: `blip_decoder` is the only module that knows them. So it is
used only after it found the token ids of `generate` on a small random BLIP of the checkpoint's own kind.
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
from imgret.models.blip_decoder import Decoder, see
from imgret.models.blip_replay import Decoders

_log = logging.getLogger(__name__)

# Normalised pixels (B, 3, side, side) -> per image the ids of the prompt and the caption.
Searcher = Callable[[Tensor], list[list[int]]]

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
_SEED, _SPREAD = 9, 0.2  # of noise on the weights with which captions differ, and some end early
_TOLERANCE = 1e-3


def searcher(
    model: BlipForConditionalGeneration, prompt: Sequence[int], search: Search, *, replay: bool
) -> Searcher:
    """The search for captions of `model` that begin with `prompt`; `replay` is meant for a GPU."""
    if not fits(model.config, search.beams):
        return lambda pixels: generated(model, pixels, prompt, search)
    decoders = Decoders(model, prompt, search.beams, search.most, replay=replay)
    return lambda pixels: blip_beams.generate(model, pixels, prompt, search, decoders)


@torch.inference_mode()
def generated(
    model: BlipForConditionalGeneration, pixels: Tensor, prompt: Sequence[int], search: Search
) -> list[list[int]]:
    """As `blip_beams.generate`, by transformers' own `generate`."""
    end = model.config.text_config.sep_token_id
    rows = model.generate(
        pixel_values=pixels,
        # BLIP leaves out the last token, which it expects to be the prompt's end
        input_ids=torch.tensor([[*prompt, end]], device=pixels.device).repeat(len(pixels), 1),
        num_beams=search.beams,
        max_new_tokens=search.most,
        min_new_tokens=search.least or None,
        length_penalty=search.length_penalty,
        do_sample=False,
        early_stopping=False,
    ).tolist()
    return [_until(end, row, len(prompt)) for row in rows]


def fits(config: BlipConfig, beams: int) -> bool:
    """Whether our search finds what transformers' own finds, on a small random BLIP that is configured alike."""
    return _fits(config.to_json_string(use_diff=False), beams)


@cache
def _fits(config: str, beams: int) -> bool:
    try:
        _compare(_small(config), Search(beams=beams, most=_NEW))
    except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError) as error:
        _log.warning("this version of transformers writes captions more slowly: %s", error)
        return False
    return True


def _small(config: str) -> BlipForConditionalGeneration:
    """A BLIP of two layers with random weights; activations, biases and the like are those of `config`."""
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
    """Raises ValueError, or what a missing part raises, where ours and transformers' differ."""
    side = _VISION["image_size"]
    pixels = torch.randn(4, 3, side, side, generator=torch.Generator().manual_seed(3))
    seen = model.vision_model(pixels).last_hidden_state
    _equal(see(model, pixels), seen, "images are encoded to other numbers")
    read = torch.tensor(_PROMPT).expand(len(pixels), -1)
    decoder = Decoder(model, len(pixels), _PROMPT, 1, 2)
    _equal(decoder.begin(seen), _next(model, read, seen), "the prompt is followed by other scores")
    words, ancestors = (
        torch.arange(7, 7 + len(pixels))[:, None],
        torch.zeros(len(pixels), 1, 1, dtype=torch.long),
    )
    expected = _next(model, torch.cat([read, words], dim=1), seen)
    _equal(decoder.read(words, ancestors)[:, 0], expected, "a word is followed by other scores")
    if blip_beams.generate(model, pixels, _PROMPT, search) != generated(model, pixels, _PROMPT, search):
        raise ValueError("the search finds other words")


def _next(model: BlipForConditionalGeneration, words: Tensor, seen: Tensor) -> Tensor:
    """Words (B, S) beside images (B, T, D) -> the scores of the next word (B, V), by transformers."""
    scores: Tensor = model.text_decoder(input_ids=words, encoder_hidden_states=seen).logits[:, -1]
    return scores


def _equal(ours: Tensor, theirs: Tensor, problem: str) -> None:
    if ours.shape != theirs.shape or not torch.allclose(ours, theirs, atol=_TOLERANCE, rtol=_TOLERANCE):
        raise ValueError(problem)


def _until(end: int, row: list[int], prompt: int) -> list[int]:
    """The prompt and the caption up to its end token; `generate` fills up the shorter rows."""
    caption = row[prompt:]
    return row[:prompt] + (caption[: caption.index(end) + 1] if end in caption else caption)
