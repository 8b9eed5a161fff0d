"""A faster implementation of BLIP's forward pass with the weights of transformers' model.

Work that transformers repeats for each beam is done once for each image:

- keys and values of the cross-attention are computed once and shared by the beams (BLIP base: 577 positions x 12
  layers x 2 x 768 numbers, most of what a step reads), and the prompt is read once;
- nothing is copied when beams are reordered. Keys and values of the tokens stay in their slots, one per step and beam,
  and a mask selects the slots of a beam's own past;
- attention is fused, and the output layer is applied to the last token only.

Shapes: B images, K beams, S tokens read at once, H heads of d numbers, D = H x d, T image positions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot, scaled_dot_product_attention
from transformers import BlipForConditionalGeneration

Index = slice | Tensor  # a tensor has one dimension


def encode_image(model: BlipForConditionalGeneration, pixels: Tensor) -> Tensor:
    """Return the encoded images (B, T, D) of normalised pixels (B, 3, side, side)."""
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
            found = torch.stack([_unfused_attention(*one) for one in zip(query, key, value, strict=True)])
        else:
            found = scaled_dot_product_attention(query, key, value, scale=attention.scale)
        hidden = hidden + attention.projection(found.transpose(1, 2).reshape(batch, positions, width))
        hidden = hidden + layer.mlp(layer.layer_norm2(hidden))
    return cast(Tensor, vision.post_layernorm(hidden))


class Decoder:
    """The text decoder for one batch, with the keys and values of its images and of the tokens of each beam."""

    can_shrink = True  # whether `keep` can remove finished images

    def __init__(
        self,
        model: BlipForConditionalGeneration,
        batch: int,
        prompt: Sequence[int],
        beams: int,
        steps: int,
    ) -> None:
        """Allocate memory for `batch` images, for `prompt` and for `steps` more tokens per beam."""
        bert = model.text_decoder.bert
        self._embeddings = bert.embeddings
        self._layers = list(bert.encoder.layer)
        self._head = model.text_decoder.cls
        self._prompt = list(prompt)
        self.slots = len(prompt) + steps * beams
        first, like = self._layers[0].attention.self, cast(Tensor, bert.embeddings.word_embeddings.weight)
        shape = (len(self._layers), 2, batch, first.num_attention_heads)
        positions = model.vision_model.embeddings.num_positions
        self.device = like.device
        self._past = like.new_empty((*shape, self.slots, first.attention_head_size))
        self._images = like.new_empty((*shape, positions, first.attention_head_size))

    @property
    def images(self) -> Tensor:
        """Keys and values of the images. `begin` writes them; the tensor stays as it is when `keep` removes images."""
        return self._images

    def begin(self, encoded: Tensor, images: Tensor | None = None) -> Tensor:
        """Read the prompt for each encoded image (B, T, D). Return the logits of the first token, (B, V).

        `images` are the keys and values of the same images from another decoder; else they are computed.
        """
        if images is not None:
            self._images.copy_(images)
        else:
            self._attend_to(encoded)
        tokens = torch.tensor(self._prompt, device=encoded.device).expand(len(encoded), -1)
        read = slice(0, len(self._prompt))
        causal = torch.ones(read.stop, read.stop, dtype=torch.bool, device=encoded.device).tril()
        logits: Tensor = self._head(self._read(tokens, read, read, causal)[:, -1])
        return logits

    def _attend_to(self, encoded: Tensor) -> None:
        for layer, images in zip(self._layers, self._images, strict=True):
            cross = layer.crossattention.self
            images[0] = _split(cross, cross.key(encoded))
            images[1] = _split(cross, cross.value(encoded))

    def read(self, tokens: Tensor, ancestors: Tensor) -> Tensor:
        """Read one more token per beam, (B, K). Return the logits of the next, (B, K, V).

        `ancestors` (B, K, number of steps including this one) has for each step the beam whose slot contains this
        beam's past; for this step that is the beam itself.
        """
        beams, step = ancestors.shape[1:]
        own = past_of(ancestors)
        mask = torch.cat([own.new_ones(len(own), 1, beams, len(self._prompt)), own], dim=-1)
        position = len(self._prompt) + step - 1
        slots = slice(mask.shape[-1] - beams, mask.shape[-1])
        return self.step(tokens, slice(position, position + 1), slots, mask)

    def step(self, tokens: Tensor, position: Index, slots: Index, mask: Tensor) -> Tensor:
        """Read tokens (B, K), write them into `slots`, and return the logits of the next (B, K, V).

        `mask` (B, 1, K, slots) selects the slots of each beam's own past.
        """
        logits: Tensor = self._head(self._read(tokens, position, slots, mask))
        return logits

    def keep(self, images: Tensor) -> None:
        """Remove all images of the batch except those with these indices."""
        self._images = self._images.index_select(2, images)
        self._past = self._past.index_select(2, images)

    def _read(self, tokens: Tensor, positions: Index, slots: Index, mask: Tensor) -> Tensor:
        """Read tokens (B, S). Return the last layer's output (B, S, D). Attends to as many slots as the mask has."""
        embeddings = self._embeddings
        hidden: Tensor = embeddings.LayerNorm(
            embeddings.word_embeddings(tokens) + embeddings.position_embeddings.weight[positions]
        )
        for layer, past, images in zip(self._layers, self._past, self._images, strict=True):
            own, cross = layer.attention, layer.crossattention
            past[0][:, :, slots] = _split(own.self, own.self.key(hidden))
            past[1][:, :, slots] = _split(own.self, own.self.value(hidden))
            key, value = past[:, :, :, : mask.shape[-1]]
            hidden = own.output(_attend(own.self, hidden, key, value, mask), hidden)
            hidden = cross.output(_cross_attend(cross.self, hidden, *images), hidden)
            hidden = layer.feed_forward_chunk(hidden)
        return hidden


def past_of(ancestors: Tensor) -> Tensor:
    """Return the mask of each beam's own slots, (B, 1, K, steps x K), for `ancestors` (B, K, steps)."""
    batch, beams, steps = ancestors.shape
    return one_hot(ancestors, beams).to(torch.bool).view(batch, 1, beams, steps * beams)


def _split(attention: nn.Module, hidden: Tensor) -> Tensor:
    """Split (B, S, D) into heads (B, H, S, d)."""
    heads = cast(int, attention.num_attention_heads)
    return hidden.view(*hidden.shape[:-1], heads, -1).transpose(1, 2)


def _attend(
    attention: nn.Module, hidden: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None
) -> Tensor:
    query = _split(attention, cast(nn.Module, attention.query)(hidden))
    found = scaled_dot_product_attention(query, key, value, attn_mask=mask)
    return found.transpose(1, 2).flatten(2)


def _cross_attend(attention: nn.Module, hidden: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """`_attend` for few tokens and many positions."""
    if hidden.device.type != "cpu":
        return _attend(attention, hidden, key, value)
    query = _split(attention, cast(nn.Module, attention.query)(hidden))
    return _unfused_attention(query, key, value).transpose(1, 2).flatten(2)


def _unfused_attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Compute attention of (..., S, d) to (..., T, d) as two matrix products: faster on a CPU than the fused kernel.

    It stores all scores (..., S, T), so it is suitable for small inputs only.
    """
    scores: Tensor = query * query.shape[-1] ** -0.5 @ key.transpose(-1, -2)
    return scores.softmax(-1) @ value
