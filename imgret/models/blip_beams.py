"""Beam search for BLIP: the same token ids as transformers' `generate`, but finished images leave the batch.

The algorithm is that of transformers 5 with its defaults (`GenerationMixin._beam_search`), with the same steps and
scores. Each step keeps the best 2K continuations of K running beams. Those that end become candidates with the score
`log p / tokens ** length_penalty`. An image is finished when all of its K candidates are better than its best running
beam would be if it ended now. Removing finished images does not change the tokens: transformers freezes their
candidates at the same moment.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from msgspec import Struct
from torch import Tensor
from transformers import BlipForConditionalGeneration

from imgret.models.blip_decoder import Decoder, encode_image
from imgret.models.blip_replay import Decoders

_NEVER = -1e9  # the score that transformers gives to beams that must not be chosen
# Images encoded together x bytes per number, on a CPU: more do not fit in its caches, fewer do not use all cores.
_ENCODED_BYTES = 8
_LEAVE_AT = 0.25  # share of finished images at which they leave the batch, which copies the keys and values of the rest


class Search(Struct, frozen=True):
    """The parameters of a beam search. The defaults are those of the baseline recipe."""

    beams: int = 3
    max_tokens: int = 60  # new tokens
    min_tokens: int = 0  # new tokens before a sentence may end
    length_penalty: float = 1.0


RECIPE = Search()


@torch.inference_mode()
def generate(
    model: BlipForConditionalGeneration,
    pixels: Tensor,
    prompt: Sequence[int],
    search: Search = RECIPE,
    decoders: Decoders | None = None,
) -> list[list[int]]:
    """Return the token ids of prompt and caption per image, with the end token unless `max_tokens` was reached.

    `pixels` (B, 3, side, side) are normalised, in the model's dtype. `prompt` begins with the text decoder's start
    token and has no end token. `decoders` must be for the same model, prompt and search.
    """
    decoders = decoders or Decoders(model, prompt, search.beams, search.max_tokens, replay=False)
    return searched(model, encoded_images(model, pixels), prompt, search, decoders.of(len(pixels)))


@torch.inference_mode()
def encoded_images(model: BlipForConditionalGeneration, pixels: Tensor) -> Tensor:
    """Return the encoded images (B, T, D) of normalised pixels (B, 3, side, side)."""
    at_once = _ENCODED_BYTES // pixels.element_size() if pixels.device.type == "cpu" else len(pixels)
    return torch.cat([encode_image(model, part) for part in torch.split(pixels, at_once)])


@torch.inference_mode()
def searched(
    model: BlipForConditionalGeneration,
    encoded: Tensor,
    prompt: Sequence[int],
    search: Search,
    decoder: Decoder,
) -> list[list[int]]:
    """Return the same as `generate`, for encoded images (B, T, D), with a decoder for as many images."""
    end = model.config.text_config.sep_token_id
    beams = _Beams(len(encoded), search, end, encoded.device)
    numbers = list(range(len(encoded)))  # the image of each row of the batch
    found: dict[int, list[int]] = {}
    beams.advance(decoder.begin(encoded)[:, None])
    while True:
        still_open = beams.still_open()
        for row, number in enumerate(numbers):
            if not still_open[row] and number not in found:
                found[number] = [*prompt, *beams.best(row)]
        if not any(still_open):
            return [found[number] for number in range(len(encoded))]
        if decoder.can_shrink and still_open.count(False) >= _LEAVE_AT * len(numbers):
            rows = [row for row, is_open in enumerate(still_open) if is_open]
            numbers = [numbers[row] for row in rows]
            kept = torch.tensor(rows, device=encoded.device)
            decoder.keep(kept)
            beams.keep(kept)
        beams.advance(decoder.read(*beams.next_tokens()))


class _Beams:
    """The running beams of a batch, and its candidates: B images x K beams."""

    def __init__(self, batch: int, search: Search, end: int, device: torch.device) -> None:
        self._search = search
        self._end = end
        self._step = 0
        shape = (batch, search.beams)
        self._scores = torch.zeros(shape, device=device)
        self._tokens = torch.zeros((*shape, 0), dtype=torch.long, device=device)
        self._ancestors = torch.zeros((*shape, 0), dtype=torch.long, device=device)
        self._slots = torch.arange(search.beams, device=device).expand(shape)
        self._candidates = torch.full((*shape, search.max_tokens), end, device=device)
        self._candidate_lengths = torch.zeros(shape, dtype=torch.long, device=device)
        self._candidate_scores = torch.full(shape, _NEVER, device=device)
        self._candidate_ended = torch.zeros(shape, dtype=torch.bool, device=device)
        self._open = torch.ones((batch, 1), dtype=torch.bool, device=device)

    def advance(self, logits: Tensor) -> None:
        """Do one step with the logits of the next tokens, (B, K, V); (B, 1, V) in the first step."""
        search = self._search
        self._step += 1
        log = torch.log_softmax(logits.float(), dim=-1)
        if self._step <= search.min_tokens:
            log[..., self._end] = -torch.inf
        log = log + self._scores[:, : log.shape[1], None]
        scores, indices = log.flatten(1).topk(2 * search.beams)
        sources, tokens = indices // log.shape[2], indices % log.shape[2]
        ends = (tokens == self._end) | (self._step == search.max_tokens)
        sentences = torch.cat([_gather(self._tokens, sources), tokens[..., None]], dim=-1)
        self._collect(sentences, scores, ends)

        # Running beams: the best K that do not end.
        scores = scores + ends.float() * _NEVER
        order = scores.topk(search.beams)[1]
        self._scores = scores.gather(1, order)
        self._tokens = _gather(sentences, order)
        self._ancestors = _gather(self._ancestors, sources.gather(1, order))
        possible = self._scores[:, :1] / self._step**search.length_penalty
        worst = self._candidate_scores.min(dim=1, keepdim=True)[0].where(self._candidate_ended, _NEVER)
        self._open &= (possible > worst).any(dim=-1, keepdim=True)

    def next_tokens(self) -> tuple[Tensor, Tensor]:
        """Return the last token of each beam (B, K), and the beam whose slot has each of its steps (B, K, step)."""
        self._ancestors = torch.cat([self._ancestors, self._slots[..., None]], dim=-1)
        return self._tokens[..., -1], self._ancestors

    def still_open(self) -> list[bool]:
        """Return for each image whether a better sentence is still possible."""
        if self._step == self._search.max_tokens:
            return [False] * len(self._open)
        return self._open[:, 0].tolist()

    def best(self, row: int) -> list[int]:
        """Return the tokens of the best candidate."""
        tokens: list[int] = self._candidates[row, 0, : int(self._candidate_lengths[row, 0])].tolist()
        return tokens

    def keep(self, rows: Tensor) -> None:
        """Remove all images except these rows."""
        for name, value in vars(self).items():
            if isinstance(value, Tensor):
                setattr(self, name, value.index_select(0, rows))

    def _collect(self, sentences: Tensor, scores: Tensor, ends: Tensor) -> None:
        """Keep the best K of the candidates so far and of the first K sentences, where they end in this step."""
        beams, length = self._search.beams, self._search.max_tokens
        ended = ends.clone()
        ended[:, beams:] = False
        scores = scores / self._step**self._search.length_penalty
        scores = scores + (~self._open).float() * _NEVER + (~ended).float() * _NEVER
        merged = torch.cat([self._candidate_scores, scores], dim=1)
        self._candidate_scores, order = merged.topk(beams)
        padded = torch.nn.functional.pad(sentences, (0, length - self._step), value=self._end)
        self._candidates = _gather(torch.cat([self._candidates, padded], dim=1), order)
        lengths = torch.full_like(order[:, :1], self._step).expand(-1, 2 * beams)
        self._candidate_lengths = torch.cat([self._candidate_lengths, lengths], dim=1).gather(1, order)
        self._candidate_ended = torch.cat([self._candidate_ended, ended], dim=1).gather(1, order)


def _gather(beams: Tensor, indices: Tensor) -> Tensor:
    """Select beams (B, K, length) by indices (B, N). Return (B, N, length)."""
    return beams.take_along_dim(indices[..., None], dim=1)
