"""Sample several captions of each image from BLIP with `blip_decoder`, in one pass, beside the one of the beam search.

The samples of an image are decoded like beams that are never reordered: they share the keys and values of the image and of
the prompt.
"""

from __future__ import annotations

import torch
from torch import Tensor

from imgret.models.blip_decoder import Decoder
from imgret.models.nucleus import choose


@torch.inference_mode()
def sampled(
    encoded: Tensor, images: Tensor, decoder: Decoder, samples: int, max_tokens: int, end: int
) -> list[list[list[int]]]:
    """Return the new token ids of each sample of each image, with the end token unless `max_tokens` was reached.

    `encoded` (B, T, D) are the encoded images, `images` their keys and values (`Decoder.images`). `decoder` is for as many
    images and for `samples` beams.
    """
    batch = len(encoded)
    numbers = list(range(batch))  # the image of each row of the batch
    found: list[list[list[int]]] = [[] for _ in numbers]
    logits = decoder.begin(encoded, images)[:, None].expand(-1, samples, -1)
    sentences = torch.zeros((batch, samples, 0), dtype=torch.long, device=encoded.device)
    ended = torch.zeros((batch, samples), dtype=torch.bool, device=encoded.device)
    for step in range(max_tokens):
        tokens = choose(logits, samples, step).masked_fill(ended, end)
        sentences = torch.cat([sentences, tokens[..., None]], dim=-1)
        ended |= tokens == end
        done = (ended.all(dim=1) | (step == max_tokens - 1)).tolist()
        for row, number in enumerate(numbers):
            if done[row] and not found[number]:
                found[number] = [_until(end, sentence) for sentence in sentences[row].tolist()]
        if all(done):
            break
        if decoder.can_shrink and 4 * sum(done) >= len(done):  # as in `blip_beams`
            rows = [row for row, is_done in enumerate(done) if not is_done]
            numbers = [numbers[row] for row in rows]
            kept = torch.tensor(rows, device=encoded.device)
            decoder.keep(kept)
            sentences, ended, tokens = sentences[kept], ended[kept], tokens[kept]
        own = torch.arange(samples, device=encoded.device)[:, None]
        logits = decoder.read(tokens, own.expand(len(numbers), samples, step + 1))
    return found


def _until(end: int, sentence: list[int]) -> list[int]:
    return sentence[: sentence.index(end) + 1] if end in sentence else sentence
