"""A small BLIP with random weights, whose captions differ and end at different lengths."""

from __future__ import annotations

import torch
from transformers import BlipConfig, BlipForConditionalGeneration

END = 3


def blip(seed, *, vocabulary=37, spread=0.4, end_bias=0.0):
    """Return a random BLIP whose captions differ and end at different lengths."""
    config = BlipConfig(
        text_config={
            "vocab_size": vocabulary,
            "hidden_size": 32,
            "encoder_hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "max_position_embeddings": 80,
            "bos_token_id": vocabulary - 1,
            "sep_token_id": END,
            "eos_token_id": 2,
            "pad_token_id": 0,
            "is_decoder": True,
        },
        vision_config={
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "image_size": 32,
            "patch_size": 8,
        },
    )
    torch.manual_seed(seed)
    model = BlipForConditionalGeneration(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * spread)
        model.text_decoder.cls.predictions.decoder.bias[END] += end_bias
    return model
