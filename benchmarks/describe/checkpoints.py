"""Create checkpoints of the four models with their real architectures and random weights.

The results are meaningless, but the computation is the same: layers, widths, positions and vocabularies are those of
FuseCap (BLIP base), YOLOv8m of Open Images, tweet-topic (RoBERTa base) and instructor-large (T5-large). BLIP's end token
is made impossible, so each caption has the maximum number of tokens. YOLO is normalised on the images of the benchmark,
and its scores are raised until it detects some objects. The tokenizers have one token per word.
"""

from __future__ import annotations

import json
import os
import tempfile
from typing import Any

import numpy as np
import torch
from PIL import Image

from benchmarks.describe.measure import pictures
from imgret.config import Settings
from imgret.stages.caption import CaptionSettings
from imgret.stages.detect import DetectSettings
from imgret.stages.embed import EmbedSettings
from imgret.stages.image import ImageSettings
from imgret.stages.topics import TopicsSettings

WORDS = 25  # of a caption, in addition to the prompt
_BERT_SPECIAL = {0: "[PAD]", 100: "[UNK]", 101: "[CLS]", 102: "[SEP]", 103: "[MASK]"}
_KNOWN = ("a", "picture", "of", "is", "in", "the", "photo", ".", ",", "one", "two", "three", "four", "many")
_CLASSES = 601
_LABELS = dict(enumerate(f"topic_{number}" for number in range(19)))
_TOPICS = 2  # the maximum number of labels of a caption
_OBJECTS = 20  # boxes above the threshold per image, before overlapping ones are removed
_SEEN = 8  # images that the detector is calibrated on
_KINDS = 8  # classes that it can detect, so that passages are as long as those of real photos


def exact(folder: str, settings: Settings) -> Settings:
    """Return `settings` with the four checkpoints in `folder`; missing ones are created."""
    from transformers.utils import logging

    logging.disable_progress_bar()
    places = {name: os.path.join(folder, name) for name in ("caption", "detect.pt", "topics", "embed")}
    for name, make in (
        ("caption", _caption),
        ("detect.pt", _detect),
        ("topics", _topics),
        ("embed", _embed),
    ):
        if not os.path.exists(places[name]):
            torch.manual_seed(0)
            make(places[name])
    dtypes = {stage: settings.of(stage).dtype for stage in ("caption", "detect", "embed")}
    return settings.with_tables(
        caption=CaptionSettings(weights=places["caption"], max_tokens=WORDS, dtype=dtypes["caption"]),
        detect=DetectSettings(weights=places["detect.pt"], dtype=dtypes["detect"]),
        topics=TopicsSettings(weights=places["topics"]),
        embed=EmbedSettings(weights=places["embed"], dtype=dtypes["embed"]),
    )


def with_image(folder: str, settings: Settings) -> Settings:
    """Return `settings` with SigLIP 2 B/16-256 in `folder`, the default of the image stage on a GPU."""
    from benchmarks.describe.image_checkpoints import siglip2

    table = ImageSettings(weights=siglip2(folder, 16), dtype=settings.of("image").dtype)
    return settings.with_tables(image=table)


def _bert_words() -> list[str]:
    words = [_BERT_SPECIAL.get(number, f"w{number}") for number in range(30522)]
    words[1000 : 1000 + len(_KNOWN)] = _KNOWN
    return words


@torch.no_grad()
def _caption(out: str) -> None:
    from transformers import BertTokenizer, BlipConfig, BlipForConditionalGeneration

    words = _bert_words()
    tokenizer = BertTokenizer(vocab={word: number for number, word in enumerate(words)}, do_lower_case=True)
    end = words.index("[SEP]")
    config = BlipConfig(
        text_config={
            "vocab_size": 30524,
            "bos_token_id": 30522,
            "sep_token_id": end,
            "eos_token_id": 2,
            "pad_token_id": 0,
            "hidden_size": 768,
            "encoder_hidden_size": 768,
            "intermediate_size": 3072,
            "num_hidden_layers": 12,
            "num_attention_heads": 12,
            "max_position_embeddings": 512,
            "is_decoder": True,
        },
        vision_config={
            "hidden_size": 768,
            "intermediate_size": 3072,
            "num_hidden_layers": 12,
            "num_attention_heads": 12,
            "image_size": 384,
            "patch_size": 16,
        },
    )
    model = BlipForConditionalGeneration(config)
    for parameter in model.parameters():
        if parameter.dim() > 1:  # with the initial weights all images get the same caption
            parameter.add_(torch.randn_like(parameter) * 0.02)
    head = model.text_decoder.cls.predictions
    for bias in {head.decoder.bias, head.bias}:
        bias[end] = -1e4
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)
    with open(os.path.join(out, "preprocessor_config.json"), "w", encoding="utf-8") as file:
        json.dump(
            {
                "image_processor_type": "BlipImageProcessor",
                "processor_class": "BlipProcessor",
                "do_normalize": True,
                "do_resize": True,
                "image_mean": [0.48145466, 0.4578275, 0.40821073],
                "image_std": [0.26862954, 0.26130258, 0.27577711],
                "size": {"height": 384, "width": 384},
            },
            file,
        )


@torch.no_grad()
def _detect(out: str) -> None:
    from ultralytics import YOLO
    from ultralytics.nn.tasks import DetectionModel
    from ultralytics.utils import DEFAULT_CFG_DICT

    network = DetectionModel({**YOLO("yolov8m.yaml").model.yaml, "nc": _CLASSES}, verbose=False)
    network.names = {number: f"object{number}" for number in range(_CLASSES)}
    with tempfile.TemporaryDirectory() as folder:
        images = [np.asarray(Image.open(path)) for path in pictures(folder, _SEEN)]
    pixels = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2) / 255
    # Normalise on these images: otherwise the output of so many random layers would not depend on the image.
    for layer in network.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.momentum = None
    network.train()(pixels)
    logits = torch.logit(network.eval()(pixels)[0][:, 4 : 4 + _KINDS], eps=1e-9)
    wider = 1 / logits.std(unbiased=False)
    raise_by = (
        torch.logit(torch.tensor(0.25)) - wider * logits.amax(1).flatten().topk(_OBJECTS * _SEEN)[0][-1]
    )
    for branch in network.model[-1].cv3:
        branch[-1].weight *= wider
        branch[-1].bias.copy_(wider * branch[-1].bias + raise_by)
        branch[-1].bias[_KINDS:] = -20
    arguments = {**DEFAULT_CFG_DICT, "task": "detect", "model": "yolov8m.yaml", "imgsz": 640}
    torch.save({"model": network, "ema": None, "train_args": arguments}, out)


@torch.no_grad()
def _topics(out: str) -> None:
    from transformers import RobertaConfig, RobertaForSequenceClassification

    config = RobertaConfig(
        vocab_size=50265,
        hidden_size=768,
        intermediate_size=3072,
        num_hidden_layers=12,
        num_attention_heads=12,
        max_position_embeddings=514,
        type_vocab_size=1,
        problem_type="multi_label_classification",
        id2label=_LABELS,
        label2id={label: number for number, label in _LABELS.items()},
    )
    model = RobertaForSequenceClassification(config)
    model.classifier.out_proj.bias[_TOPICS:] = -10
    model.save_pretrained(out)
    _words(["<s>", "<pad>", "</s>", "<unk>"], begin="<s>").save_pretrained(out)


def _embed(out: str) -> None:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import Dense, Normalize, Pooling, Transformer
    from transformers import T5Config, T5EncoderModel

    encoder = T5EncoderModel(
        T5Config(vocab_size=32128, d_model=1024, d_kv=64, d_ff=4096, num_layers=24, num_heads=16)
    )
    with tempfile.TemporaryDirectory() as bare:
        encoder.save_pretrained(bare)
        _words(["<pad>", "</s>", "<unk>"]).save_pretrained(bare)
        modules = [
            Transformer(bare, max_seq_length=512),
            Pooling(1024, "mean", include_prompt=False),
            Dense(1024, 768, bias=False, activation_function=torch.nn.Identity()),
            Normalize(),
        ]
        SentenceTransformer(modules=modules, device="cpu").save(out, create_model_card=False)


def _words(special: list[str], begin: str = "") -> Any:
    """Return a tokenizer of whole words, lower-cased, with an end token and optionally a start token."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    words = [*special, "represent", "title:", "title", ":", *(f"object{n}" for n in range(_CLASSES))]
    words += [word for word in _bert_words() if not word.startswith("[")]
    made = Tokenizer(models.WordLevel({word: n for n, word in enumerate(words)}, unk_token="<unk>"))
    made.normalizer = normalizers.Lowercase()
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    ends = [("</s>", special.index("</s>"))] + ([(begin, special.index(begin))] if begin else [])
    made.post_processor = processors.TemplateProcessing(f"{begin} $A </s>".strip(), special_tokens=ends)
    named = {"pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}
    if begin:
        named |= {"bos_token": begin, "cls_token": begin, "sep_token": "</s>"}
    return PreTrainedTokenizerFast(tokenizer_object=made, model_max_length=512, **named)
