"""Beam search for BLIP: the token ids of transformers' `generate`, without padding and without waiting.

The search is that of transformers 5 with its defaults (`GenerationMixin._beam_search`, whose steps and scores
are followed one by one): each step keeps the best 2K continuations of K running beams; those that end
become candidates with the score `log p / words ** length_penalty`; a picture is done when its K
candidates are all better than its best running beam would be if it ended now. What is done leaves the
batch, which changes no words: transformers, too, freezes its candidates at that moment.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from msgspec import Struct
from torch import Tensor
from transformers import BlipForConditionalGeneration

from imgret.models.blip_decoder import see
from imgret.models.blip_replay import Decoders

_NEVER = -1e9  # the score of what must not win, as transformers has it
_SEEN_BYTES = (
    8  # of pictures at once x bytes of a number, on a processor: more leave its caches, fewer leave it idle
)
_LEAVE_AT = 0.25  # of a batch: making it smaller costs a copy of what its pictures are


class Search(Struct, frozen=True):
    """What to search for. The defaults are the recipe's."""

    beams: int = 3
    most: int = 60  # new words
    least: int = 0  # new words before a sentence may end
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
    """Per picture the ids of the prompt and the caption, with the end token unless `most` words came first.

    `pixels` (B, 3, side, side) are normalised, in the model's dtype. `prompt` begins with the text
    decoder's first token; its own end token is left out. `decoders` are for this model, prompt and search.
    """
    end = model.config.text_config.sep_token_id
    at_once = _SEEN_BYTES // pixels.element_size() if pixels.device.type == "cpu" else len(pixels)
    seen = torch.cat([see(model, part) for part in torch.split(pixels, at_once)])
    decoders = decoders or Decoders(model, prompt, search.beams, search.most, replay=False)
    decoder = decoders.of(len(pixels))
    beams = _Beams(len(pixels), search, end, pixels.device)
    numbers = list(range(len(pixels)))  # which picture each row of the batch is
    found: dict[int, list[int]] = {}
    beams.advance(decoder.begin(seen)[:, None])
    while True:
        still_open = beams.still_open()
        for row, number in enumerate(numbers):
            if not still_open[row] and number not in found:
                found[number] = [*prompt, *beams.best(row)]
        if not any(still_open):
            return [found[number] for number in range(len(pixels))]
        if decoder.leaves and still_open.count(False) >= _LEAVE_AT * len(numbers):
            rows = [row for row, is_open in enumerate(still_open) if is_open]
            numbers = [numbers[row] for row in rows]
            kept = torch.tensor(rows, device=pixels.device)
            decoder.keep(kept)
            beams.keep(kept)
        beams.advance(decoder.read(*beams.next_words()))


class _Beams:
    """The running beams of a batch, and its candidates: B pictures x K beams."""

    def __init__(self, batch: int, search: Search, end: int, device: torch.device) -> None:
        self._search = search
        self._end = end
        self._step = 0
        shape = (batch, search.beams)
        self._scores = torch.zeros(shape, device=device)
        self._words = torch.zeros((*shape, 0), dtype=torch.long, device=device)
        self._ancestors = torch.zeros((*shape, 0), dtype=torch.long, device=device)
        self._slots = torch.arange(search.beams, device=device).expand(shape)
        self._candidates = torch.full((*shape, search.most), end, device=device)
        self._candidate_lengths = torch.zeros(shape, dtype=torch.long, device=device)
        self._candidate_scores = torch.full(shape, _NEVER, device=device)
        self._candidate_ended = torch.zeros(shape, dtype=torch.bool, device=device)
        self._open = torch.ones((batch, 1), dtype=torch.bool, device=device)

    def advance(self, logits: Tensor) -> None:
        """One step further by the next words' logits (B, K, V); (B, 1, V) at first, when all beams are one."""
        search = self._search
        self._step += 1
        log = torch.log_softmax(logits.float(), dim=-1)
        if self._step <= search.least:
            log[..., self._end] = -torch.inf
        log = log + self._scores[:, : log.shape[1], None]
        scores, indices = log.flatten(1).topk(2 * search.beams)
        sources, words = indices // log.shape[2], indices % log.shape[2]
        ends = (words == self._end) | (self._step == search.most)
        sentences = torch.cat([_gather(self._words, sources), words[..., None]], dim=-1)
        self._collect(sentences, scores, ends)

        # running beams: the best K of those that do not end
        scores = scores + ends.float() * _NEVER
        order = scores.topk(search.beams)[1]
        self._scores = scores.gather(1, order)
        self._words = _gather(sentences, order)
        self._ancestors = _gather(self._ancestors, sources.gather(1, order))
        hoped = self._scores[:, :1] / self._step**search.length_penalty
        worst = self._candidate_scores.min(dim=1, keepdim=True)[0].where(self._candidate_ended, _NEVER)
        self._open &= (hoped > worst).any(dim=-1, keepdim=True)

    def next_words(self) -> tuple[Tensor, Tensor]:
        """The last word of each beam (B, K), and in whose slot each step of its past lies (B, K, step)."""
        self._ancestors = torch.cat([self._ancestors, self._slots[..., None]], dim=-1)
        return self._words[..., -1], self._ancestors

    def still_open(self) -> list[bool]:
        """Per picture whether a better sentence may still come."""
        if self._step == self._search.most:
            return [False] * len(self._open)
        return self._open[:, 0].tolist()

    def best(self, row: int) -> list[int]:
        """The words of the best candidate."""
        words: list[int] = self._candidates[row, 0, : int(self._candidate_lengths[row, 0])].tolist()
        return words

    def keep(self, rows: Tensor) -> None:
        """Go on with these pictures only."""
        for name, value in vars(self).items():
            if isinstance(value, Tensor):
                setattr(self, name, value.index_select(0, rows))

    def _collect(self, sentences: Tensor, scores: Tensor, ends: Tensor) -> None:
        """The best K of the candidates so far and of those of the first K sentences that end here."""
        beams, most = self._search.beams, self._search.most
        ended = ends.clone()
        ended[:, beams:] = False
        scores = scores / self._step**self._search.length_penalty
        scores = scores + (~self._open).float() * _NEVER + (~ended).float() * _NEVER
        merged = torch.cat([self._candidate_scores, scores], dim=1)
        self._candidate_scores, order = merged.topk(beams)
        padded = torch.nn.functional.pad(sentences, (0, most - self._step), value=self._end)
        self._candidates = _gather(torch.cat([self._candidates, padded], dim=1), order)
        lengths = torch.full_like(order[:, :1], self._step).expand(-1, 2 * beams)
        self._candidate_lengths = torch.cat([self._candidate_lengths, lengths], dim=1).gather(1, order)
        self._candidate_ended = torch.cat([self._candidate_ended, ended], dim=1).gather(1, order)


def _gather(beams: Tensor, indices: Tensor) -> Tensor:
    """(B, K, length) by (B, N) -> (B, N, length)."""
    return beams.take_along_dim(indices[..., None], dim=1)
