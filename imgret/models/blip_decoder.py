"""BLIP's arithmetic without its waste: the same weights and the same sums, fewer times.

What transformers does for each beam is done here for each picture:

- keys and values of the cross-attention are made once and shared by the beams (BLIP base: 577 positions x 12
  layers x 2 x 768 numbers, by far the most that a step reads), and the prompt is read once;
- nothing moves when beams change places. The keys and values of the words stay where they were
  written, one slot per step and beam, and a mask says which slots are a beam's own past;
- attention is fused, and the wide output layer sees the last word only.

Shapes: B pictures, K beams, S words read at once, H heads of d numbers, D = H x d, T picture positions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot, scaled_dot_product_attention
from transformers import BlipForConditionalGeneration

Index = slice | Tensor  # of one dimension


def see(model: BlipForConditionalGeneration, pixels: Tensor) -> Tensor:
    """Normalised pixels (B, 3, side, side) -> what the words may look at (B, T, D)."""
    vision = model.vision_model
    hidden: Tensor = vision.embeddings(pixels)
    for layer in vision.encoder.layers:
        attention = layer.self_attn
        batch, positions, width = hidden.shape
        query, key, value = (
            attention.qkv(layer.layer_norm1(hidden))
            .view(batch, positions, 3, attention.num_heads, attention.head_dim)
            .permute(2, 0, 3, 1, 4)
        )
        if hidden.device.type == "cpu" and hidden.dtype is torch.bfloat16:
            seen = torch.stack([_plainly(*one) for one in zip(query, key, value, strict=True)])
        else:
            seen = scaled_dot_product_attention(query, key, value, scale=attention.scale)
        hidden = hidden + attention.projection(seen.transpose(1, 2).reshape(batch, positions, width))
        hidden = hidden + layer.mlp(layer.layer_norm2(hidden))
    return cast(Tensor, vision.post_layernorm(hidden))


class Decoder:
    """The text decoder at work on a batch: the pictures it looks at, and the words each beam has read."""

    leaves = True  # whether pictures that are done can leave: `keep`

    def __init__(
        self,
        model: BlipForConditionalGeneration,
        batch: int,
        prompt: Sequence[int],
        beams: int,
        steps: int,
    ) -> None:
        """Room for `batch` pictures, for `prompt`, and for `steps` more words a beam."""
        bert = model.text_decoder.bert
        self._embeddings = bert.embeddings
        self._layers = list(bert.encoder.layer)
        self._head = model.text_decoder.cls
        self._prompt = list(prompt)
        self.slots = len(prompt) + steps * beams
        first, like = self._layers[0].attention.self, cast(Tensor, bert.embeddings.word_embeddings.weight)
        room = (len(self._layers), 2, batch, first.num_attention_heads)
        positions = model.vision_model.embeddings.num_positions
        self.device = like.device
        self._past = like.new_empty((*room, self.slots, first.attention_head_size))
        self._pictures = like.new_empty((*room, positions, first.attention_head_size))

    def begin(self, seen: Tensor) -> Tensor:
        """Read the prompt beside each picture of `seen` (B, T, D) -> the logits of the first word (B, V)."""
        for layer, pictures in zip(self._layers, self._pictures, strict=True):
            cross = layer.crossattention.self
            pictures[0] = _split(cross, cross.key(seen))
            pictures[1] = _split(cross, cross.value(seen))
        words = torch.tensor(self._prompt, device=seen.device).expand(len(seen), -1)
        read = slice(0, len(self._prompt))
        causal = torch.ones(read.stop, read.stop, dtype=torch.bool, device=seen.device).tril()
        logits: Tensor = self._head(self._read(words, read, read, causal)[:, -1])
        return logits

    def read(self, words: Tensor, ancestors: Tensor) -> Tensor:
        """One more word for each beam: (B, K) -> the logits of the next (B, K, V).

        `ancestors` (B, K, steps so far, this one too) says for each step in which beam's slot a beam's
        own past was written; for this step that is the beam itself.
        """
        beams, step = ancestors.shape[1:]
        own = past_of(ancestors)
        mask = torch.cat([own.new_ones(len(own), 1, beams, len(self._prompt)), own], dim=-1)
        position = len(self._prompt) + step - 1
        slots = slice(mask.shape[-1] - beams, mask.shape[-1])
        return self.step(words, slice(position, position + 1), slots, mask)

    def step(self, words: Tensor, position: Index, slots: Index, mask: Tensor) -> Tensor:
        """Words (B, K), written into `slots`, of which and of those before the mask (B, 1, K, slots) says whose."""
        logits: Tensor = self._head(self._read(words, position, slots, mask))
        return logits

    def keep(self, pictures: Tensor) -> None:
        """Go on with these pictures of the batch only."""
        self._pictures = self._pictures.index_select(2, pictures)
        self._past = self._past.index_select(2, pictures)

    def _read(self, words: Tensor, positions: Index, slots: Index, mask: Tensor) -> Tensor:
        """Words (B, S) -> the last layer (B, S, D). As many slots are looked at as the mask is wide."""
        embeddings = self._embeddings
        hidden: Tensor = embeddings.LayerNorm(
            embeddings.word_embeddings(words) + embeddings.position_embeddings.weight[positions]
        )
        for layer, past, pictures in zip(self._layers, self._past, self._pictures, strict=True):
            own, cross = layer.attention, layer.crossattention
            past[0][:, :, slots] = _split(own.self, own.self.key(hidden))
            past[1][:, :, slots] = _split(own.self, own.self.value(hidden))
            key, value = past[:, :, :, : mask.shape[-1]]
            hidden = own.output(_attend(own.self, hidden, key, value, mask), hidden)
            hidden = cross.output(_look(cross.self, hidden, *pictures), hidden)
            hidden = layer.feed_forward_chunk(hidden)
        return hidden


def past_of(ancestors: Tensor) -> Tensor:
    """Whose slots are a beam's own past: (B, K, steps) -> (B, 1, K, steps x K), booleans."""
    batch, beams, steps = ancestors.shape
    return one_hot(ancestors, beams).to(torch.bool).view(batch, 1, beams, steps * beams)


def _split(attention: nn.Module, hidden: Tensor) -> Tensor:
    """(B, S, D) -> (B, H, S, d)."""
    heads = cast(int, attention.num_attention_heads)
    return hidden.view(*hidden.shape[:-1], heads, -1).transpose(1, 2)


def _attend(
    attention: nn.Module, hidden: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None
) -> Tensor:
    query = _split(attention, cast(nn.Module, attention.query)(hidden))
    found = scaled_dot_product_attention(query, key, value, attn_mask=mask)
    return found.transpose(1, 2).flatten(2)


def _look(attention: nn.Module, hidden: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """`_attend` for few words and many positions."""
    if hidden.device.type != "cpu":
        return _attend(attention, hidden, key, value)
    query = _split(attention, cast(nn.Module, attention.query)(hidden))
    return _plainly(query, key, value).transpose(1, 2).flatten(2)


def _plainly(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Attention by its two products, (..., S, d) and (..., T, d): faster on a processor than the fused kind.

    Not for much at once: the scores are written out.
    """
    scores: Tensor = query * query.shape[-1] ** -0.5 @ key.transpose(-1, -2)
    return scores.softmax(-1) @ value
