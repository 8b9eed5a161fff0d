"""Tiny image-text encoders with random weights, saved by transformers in the layout of the hub."""

from __future__ import annotations

import json
import string
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

SIDE = 32  # pixels
LENGTH = 16  # tokens
_LETTERS = string.ascii_letters + string.digits + string.punctuation


def clip(folder: Path, **save: Any) -> str:
    """A CLIP: short side and crop, byte-pair encoding with its own lower-casing, projections of both towers."""
    from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel, CLIPTokenizer

    vocabulary = ["<|startoftext|>", "<|endoftext|>", *_LETTERS, *(f"{letter}</w>" for letter in _LETTERS)]
    tokenizer = CLIPTokenizer(vocab={word: number for number, word in enumerate(vocabulary)}, merges=[])
    ends = {"bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1}
    config = CLIPConfig(
        text_config=_shape(len(vocabulary), max_position_embeddings=LENGTH) | ends,
        vision_config=_shape(image_size=SIDE, patch_size=8),
        projection_dim=24,
    )
    processor = CLIPImageProcessorPil(size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE})
    return _saved(folder, CLIPModel, config, tokenizer, processor, **save)


def siglip(folder: Path, vocabulary: int = 0, **save: Any) -> str:
    """A SigLIP 2 of fixed resolution, which is of the class SigLIP with Gemma's tokenizer."""
    from transformers import SiglipConfig, SiglipImageProcessorPil, SiglipModel

    tokenizer = gemma()
    config = SiglipConfig(
        text_config=_shape(
            max(vocabulary, len(tokenizer)), max_position_embeddings=LENGTH, projection_size=32
        ),
        vision_config=_shape(image_size=SIDE, patch_size=8),
    )
    processor = SiglipImageProcessorPil(size={"height": SIDE, "width": SIDE}, resample=2)
    return _saved(folder, SiglipModel, config, tokenizer, processor, **save)


def naflex(folder: Path, **save: Any) -> str:
    """A SigLIP 2 NaFlex: patches of an image whose aspect ratio is kept."""
    from transformers import Siglip2Config, Siglip2ImageProcessorPil, Siglip2Model

    tokenizer = gemma()
    config = Siglip2Config(
        text_config=_shape(len(tokenizer), max_position_embeddings=LENGTH, projection_size=32),
        vision_config=_shape(num_patches=64, patch_size=8),
    )
    return _saved(
        folder,
        Siglip2Model,
        config,
        tokenizer,
        Siglip2ImageProcessorPil(patch_size=8, max_num_patches=64),
        **save,
    )


CLASSES: dict[str, Callable[..., str]] = {"clip": clip, "siglip": siglip, "naflex": naflex}


def gemma() -> Any:
    """A tokenizer of the class of SigLIP 2, which adds an end token and does not lower-case."""
    from transformers import GemmaTokenizer

    words = [
        "<pad>",
        "<eos>",
        "<bos>",
        "<unk>",
        "\u2581",
        *_LETTERS,
        *(f"<0x{byte:02X}>" for byte in range(256)),
    ]
    bare = Tokenizer(
        models.BPE({word: n for n, word in enumerate(words)}, [], unk_token="<unk>", byte_fallback=True)
    )
    bare.normalizer = normalizers.Replace(" ", "\u2581")
    bare.pre_tokenizer = pre_tokenizers.Split("\u2581", "merged_with_next")
    return GemmaTokenizer(
        tokenizer_object=bare, padding_side="right", add_bos_token=False, add_eos_token=True
    )


def edit_json(path: str, name: str, **changes: Any) -> None:
    """Change keys of a JSON file in a folder."""
    file = Path(path) / name
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def _shape(vocabulary: int | None = None, **more: Any) -> dict[str, Any]:
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    return shape | ({"vocab_size": vocabulary} if vocabulary else {}) | more


def _saved(folder: Path, kind: Any, config: Any, tokenizer: Any, processor: Any, **save: Any) -> str:
    torch.manual_seed(0)
    model = kind(config)
    with torch.no_grad():
        for parameter in model.parameters():  # with the initial weights all vectors are nearly equal
            parameter.add_(torch.randn_like(parameter) * 0.1)
    model.to(save.pop("dtype", torch.float32)).save_pretrained(folder, **save)
    tokenizer.save_pretrained(folder)
    processor.save_pretrained(folder)
    return str(folder)
