"""Create image-text encoders with their real architectures, vocabularies and tokenizer sizes, and random weights."""

from __future__ import annotations

import itertools
import os
import string
from typing import Any

import torch

GEMMA_TOKENS, GEMMA_MERGES = 256_000, 580_000  # of SigLIP 2's tokenizer, whose file has 34 MB


def siglip2(folder: str, patch: int) -> str:
    """Return the folder of a `siglip2-base-patch{patch}-256`; it is created if it is missing."""
    from transformers import SiglipConfig, SiglipImageProcessorPil, SiglipModel

    path = os.path.join(folder, f"siglip2-base-patch{patch}-256")
    if not os.path.exists(path):
        text = {"vocab_size": GEMMA_TOKENS, "projection_size": 768}
        config = SiglipConfig(text_config=text, vision_config={"image_size": 256, "patch_size": patch})
        processor = SiglipImageProcessorPil(size={"height": 256, "width": 256}, resample=2)
        _save(path, SiglipModel(config), _gemma(), processor)
    return path


def clip(folder: str) -> str:
    """Return the folder of a CLIP ViT-B/32 for 256 pixels, as rclip 4 uses it; it is created if it is missing."""
    from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel, CLIPTokenizer

    path = os.path.join(folder, "clip-vit-b-32-256")
    if not os.path.exists(path):
        letters = [*string.ascii_lowercase, *(f"{letter}</w>" for letter in string.ascii_lowercase)]
        words = ["<|startoftext|>", "<|endoftext|>", *letters]
        ends = {"bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1}
        config = CLIPConfig(
            text_config={"hidden_act": "gelu"} | ends,
            vision_config={"image_size": 256, "patch_size": 32, "hidden_act": "gelu"},
            projection_dim=512,
        )
        processor = CLIPImageProcessorPil(
            size={"shortest_edge": 256}, crop_size={"height": 256, "width": 256}
        )
        tokenizer = CLIPTokenizer(vocab={word: number for number, word in enumerate(words)}, merges=[])
        _save(path, CLIPModel(config), tokenizer, processor)
    return path


def _save(path: str, model: Any, tokenizer: Any, processor: Any) -> None:
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():  # with the initial weights all images get nearly the same vector
            if parameter.dim() > 1 and len(parameter) < GEMMA_TOKENS:
                parameter.add_(torch.randn_like(parameter) * 0.02)
    model.save_pretrained(path)
    tokenizer.save_pretrained(path)
    processor.save_pretrained(path)


def _gemma() -> Any:
    """Return a byte-pair tokenizer with as many tokens and merges as Gemma's, of short sequences of letters."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
    from transformers import GemmaTokenizer

    known = ["<pad>", "<eos>", "<bos>", "<unk>", *(f"<0x{byte:02X}>" for byte in range(256))]
    letters = ["\u2581", *string.ascii_lowercase]
    longer = ("".join(each) for length in (2, 3, 4) for each in itertools.product(letters, repeat=length))
    tokens = [*letters, *itertools.islice(longer, GEMMA_TOKENS - len(known) - len(letters))]
    parts = ((token[:at], token[at:]) for token in tokens for at in range(1, len(token)))
    usable = set(tokens)
    merges = dict.fromkeys(
        itertools.islice((pair for pair in parts if usable.issuperset(pair)), GEMMA_MERGES)
    )
    vocabulary = {token: number for number, token in enumerate([*known, *tokens])}
    bare = Tokenizer(models.BPE(vocabulary, list(merges), unk_token="<unk>", byte_fallback=True))
    bare.normalizer = normalizers.Replace(" ", "\u2581")
    bare.pre_tokenizer = pre_tokenizers.Split("\u2581", "merged_with_next")
    return GemmaTokenizer(
        tokenizer_object=bare, padding_side="right", add_bos_token=False, add_eos_token=True
    )
