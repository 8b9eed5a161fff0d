"""Tiny random embedders of the classes of real ones, saved as their repositories are."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

WORDS = (
    *(
        "a",
        "red",
        "blue",
        "dog",
        "cat",
        "on",
        "grass",
        "near",
        "water",
        "photo",
        "query",
        "passage",
        "title",
        "text",
    ),
    *("search", "document", ":", "|", "none"),
)
PROMPTS = {"query": "search query: ", "document": "title: none | text: "}


def bert(out: Path) -> None:
    """Save a BERT with the pooling of BGE (the first token) and prompts."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
    from transformers import BertConfig, BertModel

    words = _tokenizer("[CLS] $A [SEP]", [("[CLS]", 2), ("[SEP]", 3)])
    config = BertConfig(
        vocab_size=len(words), hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=48,
        max_position_embeddings=24,
    )  # fmt: skip
    _save(out, BertModel(config), words, lambda bare: [Transformer(bare), Pooling(32, "cls"), Normalize()])
    assert SentenceTransformer(str(out)).prompts["query"] == PROMPTS["query"]


def qwen(out: Path) -> None:
    """Save a Qwen3 that pools the last token, padded on the left, as Qwen3-Embedding does."""
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from transformers import Qwen3Config, Qwen3Model

    words = _tokenizer("$A [SEP]", [("[SEP]", 3)])
    words.padding_side = "left"
    config = Qwen3Config(
        vocab_size=len(words), hidden_size=32, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
        head_dim=8, intermediate_size=48, max_position_embeddings=64,
    )  # fmt: skip
    _save(out, Qwen3Model(config), words, lambda bare: [Transformer(bare), Pooling(32, "lasttoken")])


def static(out: Path) -> None:
    """Save a StaticEmbedding in the layout of `static-retrieval-mrl-en-v1`, without a config.json."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding

    words = _tokenizer("$A", [])
    table = np.random.default_rng(1).standard_normal((len(words), 24)).astype(np.float32)
    SentenceTransformer(modules=[StaticEmbedding(words, table)]).save(str(out), create_model_card=False)
    folder = out / "0_StaticEmbedding"
    folder.mkdir(exist_ok=True)
    for name in ("model.safetensors", "tokenizer.json"):
        if (out / name).exists():
            (out / name).rename(folder / name)
    modules = json.loads((out / "modules.json").read_text())
    modules[0]["path"] = "0_StaticEmbedding"
    (out / "modules.json").write_text(json.dumps(modules))


def model2vec(out: Path) -> None:
    """Save a model of model2vec, with a smaller vocabulary of vectors and a weight for each token."""
    from safetensors.numpy import save_file

    words = _tokenizer("$A", [])
    noise = np.random.default_rng(2)
    out.mkdir()
    save_file(
        {
            "embeddings": noise.standard_normal((9, 16)).astype(np.float16),
            "mapping": noise.integers(0, 9, len(words)),
            "weights": noise.uniform(0.1, 1, len(words)).astype(np.float32),
        },
        out / "model.safetensors",
    )
    words.backend_tokenizer.save(str(out / "tokenizer.json"))
    config = {
        "model_type": "model2vec",
        "architectures": ["StaticModel"],
        "normalize": True,
        "hidden_dim": 16,
    }
    (out / "config.json").write_text(json.dumps(config))
    module = {"idx": 0, "name": "0", "path": ".", "type": "sentence_transformers.models.StaticEmbedding"}
    (out / "modules.json").write_text(json.dumps([module]))


MAKERS: dict[str, Callable[[Path], None]] = {
    "bert": bert,
    "qwen": qwen,
    "static": static,
    "model2vec": model2vec,
}


def _tokenizer(template: str, special: list[tuple[str, int]]) -> Any:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS]
    whole = Tokenizer(models.WordLevel({word: at for at, word in enumerate(words)}, unk_token="[UNK]"))
    whole.normalizer = normalizers.Lowercase()
    whole.pre_tokenizer = pre_tokenizers.Whitespace()
    if special:
        whole.post_processor = processors.TemplateProcessing(single=template, special_tokens=special)
    return PreTrainedTokenizerFast(
        tokenizer_object=whole, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]",
        model_max_length=24,
    )  # fmt: skip


def _save(out: Path, model: Any, words: Any, modules: Callable[[str], list[Any]]) -> None:
    from sentence_transformers import SentenceTransformer

    torch.manual_seed(5)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    bare = out.parent / f"bare {out.name}"
    model.save_pretrained(bare)
    words.save_pretrained(bare)
    whole = SentenceTransformer(modules=modules(str(bare)), prompts=PROMPTS, device="cpu")
    whole.save(str(out), create_model_card=False)
