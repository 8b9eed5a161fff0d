"""Tiny random checkpoints of the classes of real captioners, saved as their repositories are: each under a megabyte."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

WORDS = (
    "describe",
    "this",
    "photo",
    "a",
    "red",
    "blue",
    "dog",
    "cat",
    "on",
    "grass",
    "near",
    "water",
    "two",
    "big",
)
PROMPT_WORDS = (
    *("What", "does", "the", "image", "Describe", "in", "detail", "is", "shown", "with", "paragraph", "text"),
    *(
        "one",
        "sentence",
        "who",
        "or",
        "it",
        "they",
        "look",
        "like",
        "do",
        "and",
        "where",
        "User",
        "Assistant",
        "user",
    ),
)
CHAT = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }} {% for c in m['content'] %}{% if c['type'] == 'image' %}IMAGE"
    "{% else %}{{ c['text'] }}{% endif %}{% endfor %}<end_of_utterance>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>Assistant{% endif %}"
)


def tokenizer(special: Sequence[str], **named: str) -> Any:
    """Return a tokenizer of whole words; `special` tokens follow the usual four."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    usual = ["<pad>", "<s>", "</s>", "<unk>"]
    words = [*usual, *special, *WORDS, *PROMPT_WORDS, ".", ":", "?", ","]
    whole = Tokenizer(models.WordLevel({word: at for at, word in enumerate(words)}, unk_token="<unk>"))
    whole.pre_tokenizer = pre_tokenizers.Whitespace()
    whole.decoder = decoders.WordPiece()
    return PreTrainedTokenizerFast(
        tokenizer_object=whole,
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        additional_special_tokens=list(special),
        extra_special_tokens=named,
        model_max_length=512,
    )


def florence(out: Path) -> None:
    """Save a Florence-2."""
    from transformers import (
        BartConfig,
        CLIPImageProcessor,
        Florence2Config,
        Florence2ForConditionalGeneration,
        Florence2Processor,
    )
    from transformers.models.florence2.configuration_florence2 import Florence2VisionConfig

    words = tokenizer(["<image>"], image_token="<image>")
    size = {"height": 32, "width": 32}
    images = CLIPImageProcessor(size=size, crop_size=size, do_center_crop=False)
    images.image_seq_length = 2
    processor = Florence2Processor(images, words, post_processor_config={"pure_text": {}})
    text = BartConfig(
        vocab_size=len(words), d_model=32, encoder_layers=1, decoder_layers=2, encoder_ffn_dim=48, decoder_ffn_dim=48,
        encoder_attention_heads=4, decoder_attention_heads=4, max_position_embeddings=128, pad_token_id=0,
        bos_token_id=1, eos_token_id=2, decoder_start_token_id=2, forced_bos_token_id=1, forced_eos_token_id=2,
    )  # fmt: skip
    vision = Florence2VisionConfig(
        depths=(1, 1), patch_size=(7, 3), patch_stride=(4, 8), patch_padding=(3, 1), patch_prenorm=(False, True),
        embed_dim=(16, 32), num_heads=(2, 4), num_groups=(2, 4), window_size=4, projection_dim=32, drop_path_rate=0.0,
    )  # fmt: skip
    config = Florence2Config(text_config=text, vision_config=vision, image_token_id=words.image_token_id)
    _save(Florence2ForConditionalGeneration, config, processor, out)


def smolvlm(out: Path) -> None:
    """Save a SmolVLM 2, which splits an image into tiles."""
    from transformers import (
        LlamaConfig,
        SmolVLMConfig,
        SmolVLMForConditionalGeneration,
        SmolVLMImageProcessor,
        SmolVLMProcessor,
        SmolVLMVideoProcessor,
    )
    from transformers.models.smolvlm.configuration_smolvlm import SmolVLMVisionConfig

    tiles = [f"<row_{row}_col_{column}>" for row in range(1, 5) for column in range(1, 5)]
    words = tokenizer(
        [
            "<image>",
            "<fake_token_around_image>",
            "<end_of_utterance>",
            "<global-img>",
            "<|im_start|>",
            *tiles,
        ],
        image_token="<image>",
        fake_image_token="<fake_token_around_image>",
        end_of_utterance_token="<end_of_utterance>",
        global_image_token="<global-img>",
    )
    images = SmolVLMImageProcessor(size={"longest_edge": 64}, max_image_size={"longest_edge": 32})
    processor = SmolVLMProcessor(
        images,
        words,
        SmolVLMVideoProcessor(),
        image_seq_len=4,
        chat_template=CHAT.replace("IMAGE", "<image>"),
    )
    text = LlamaConfig(**_DECODER, vocab_size=len(words), head_dim=8)
    vision = SmolVLMVisionConfig(
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        image_size=32,
        patch_size=8,
    )
    config = SmolVLMConfig(
        text_config=text,
        vision_config=vision,
        image_token_id=words.image_token_id,
        scale_factor=2,
        pad_token_id=0,
    )
    _save(SmolVLMForConditionalGeneration, config, processor, out)


def qwen(out: Path) -> None:
    """Save a Qwen3-VL, for which an image has as many tokens as its size demands."""
    from transformers import (
        Qwen2VLImageProcessor,
        Qwen3VLConfig,
        Qwen3VLForConditionalGeneration,
        Qwen3VLProcessor,
        Qwen3VLVideoProcessor,
    )

    names = {
        "image_token": "<|image_pad|>",
        "video_token": "<|video_pad|>",
        "vision_start_token": "<|vision_start|>",
        "vision_end_token": "<|vision_end|>",
    }
    words = tokenizer([*names.values(), "<|im_start|>", "<end_of_utterance>"], **names)
    images = Qwen2VLImageProcessor(
        patch_size=8,
        merge_size=2,
        temporal_patch_size=2,
        size={"shortest_edge": 16 * 16, "longest_edge": 64 * 64},
    )
    processor = Qwen3VLProcessor(
        images,
        words,
        Qwen3VLVideoProcessor(patch_size=8, merge_size=2),
        chat_template=CHAT.replace("IMAGE", "<|vision_start|><|image_pad|><|vision_end|>"),
    )
    text = {
        **_DECODER,
        "vocab_size": len(words),
        "head_dim": 16,
        "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 3, 3]},
    }
    vision = {
        "depth": 2, "hidden_size": 32, "intermediate_size": 48, "num_heads": 2, "patch_size": 8, "out_hidden_size": 32,
        "num_position_embeddings": 64, "deepstack_visual_indexes": [0],
    }  # fmt: skip
    ids = {f"{name}_id": words.convert_tokens_to_ids(token) for name, token in names.items()}
    config = Qwen3VLConfig(text_config=text, vision_config=vision, **ids)
    _save(Qwen3VLForConditionalGeneration, config, processor, out)


MAKERS: dict[str, Callable[[Path], None]] = {"florence": florence, "smolvlm": smolvlm, "qwen": qwen}

_DECODER: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}


def _save(class_: Any, config: Any, processor: Any, out: Path) -> None:
    torch.manual_seed(3)
    model = class_(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():  # otherwise all images get the same caption
            parameter.add_(torch.randn_like(parameter) * 0.2)
    model.generation_config.eos_token_id = 2
    model.generation_config.pad_token_id = 0
    model.save_pretrained(out)
    processor.save_pretrained(out)
