"""Train the demo's captioner: a BLIP for 64 x 64 pixels with two vision and two text layers."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from imgret.demo import draw, training_data

if TYPE_CHECKING:
    import torch

_MEAN = (0.48145466, 0.4578275, 0.40821073)  # from the real preprocessor
_DEVIATION = (0.26862954, 0.26130258, 0.27577711)


def caption(out: str, images: int = 5000, vision_steps: int = 2000, steps: int = 700) -> float:
    """Train the captioner, save it to the folder `out`, and return the final loss.

    The vision model is trained first, for `vision_steps` steps, to classify the largest shape. Then both models are
    trained to caption, for `steps` steps.
    """
    import torch
    from transformers import BlipForConditionalGeneration

    os.makedirs(out, exist_ok=True)
    processor = _processor(out)
    model = BlipForConditionalGeneration(_blip_config(len(processor.tokenizer)))
    known = [
        drawing
        for drawing, _ in zip(training_data.drawings(random.Random(1), 0.5, 0.5), range(images), strict=False)
    ]
    pixels = torch.cat(
        [processor.image_processor(draw.render(d), return_tensors="pt")["pixel_values"] for d in known]
    )
    _train_vision_model(model.vision_model, pixels, known, vision_steps)
    tokens = processor.tokenizer([d.caption for d in known], padding=True, return_tensors="pt")
    ids, mask = tokens["input_ids"], tokens["attention_mask"]
    ids[:, 0] = model.config.text_config.bos_token_id  # `generate` starts with this token
    labels = ids.masked_fill(mask == 0, -100)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=steps)
    model.train()
    loss = torch.tensor(0.0)
    for step in range(steps):
        rows = torch.randint(images, (32,))
        loss = model(
            pixel_values=_mirrored(pixels[rows], step),
            input_ids=ids[rows],
            attention_mask=mask[rows],
            labels=labels[rows],
        ).loss
        training_data.training_step(model, loss, optimizer, schedule, 1.0)
    model.eval()
    model.save_pretrained(out)
    return loss.item()


def _train_vision_model(model: Any, pixels: torch.Tensor, known: Sequence[draw.Drawing], steps: int) -> None:
    """Train a vision model with temporary heads to classify colour, kind, ground and whether there is one shape."""
    import torch

    facts = torch.tensor(
        [
            (
                list(draw.COLOURS).index(drawing.shapes[0].colour),
                draw.KINDS.index(drawing.shapes[0].kind),
                list(draw.GROUNDS).index(drawing.ground),
                len(drawing.shapes) > 1,
            )
            for drawing in known
        ]
    ).long()
    classes = (len(draw.COLOURS), len(draw.KINDS), len(draw.GROUNDS), 2)
    heads = [torch.nn.Linear(model.config.hidden_size, count) for count in classes]
    both = torch.nn.ModuleList([model, *heads])
    optimizer = torch.optim.AdamW(both.parameters(), lr=3e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps)
    both.train()
    for step in range(steps):
        rows = torch.randint(len(known), (48,))
        features = model(pixel_values=_mirrored(pixels[rows], step)).last_hidden_state.mean(1)
        loss = torch.stack(
            [
                torch.nn.functional.cross_entropy(head(features), facts[rows, number])
                for number, head in enumerate(heads)
            ]
        ).sum()
        training_data.training_step(both, loss, optimizer, schedule, 1.0)


def _mirrored(pixels: torch.Tensor, step: int) -> torch.Tensor:
    """Mirror every other batch: the captions do not depend on left and right."""
    return pixels.flip(-1) if step % 2 else pixels


def _processor(out: str) -> Any:
    """Write the tokenizer and the preprocessor to `out` in the layout of the real repository, and load them."""
    from transformers import BertTokenizer, BlipProcessor

    some = training_data.drawings(random.Random(2), 0.5)
    words = sorted({word for _ in range(500) for word in next(some).caption.split()})
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words]
    with open(os.path.join(out, "vocab.txt"), "w", encoding="utf-8") as file:
        file.write("\n".join(vocabulary) + "\n")
    BertTokenizer(
        vocab={word: number for number, word in enumerate(vocabulary)},
        do_lower_case=True,
        model_max_length=512,
    ).save_pretrained(out)
    preprocessor = {
        "do_normalize": True,
        "do_resize": True,
        "image_mean": _MEAN,
        "image_processor_type": "BlipImageProcessor",
        "image_std": _DEVIATION,
        "processor_class": "BlipProcessor",
        "size": {"height": 64, "width": 64},
    }
    with open(os.path.join(out, "preprocessor_config.json"), "w", encoding="utf-8") as file:
        json.dump(preprocessor, file, indent=2)
    return BlipProcessor.from_pretrained(out, backend="pil", local_files_only=True)


def _blip_config(vocabulary: int, width: int = 64) -> Any:
    from transformers import BlipConfig

    shared = {
        "hidden_size": width,
        "intermediate_size": 2 * width,
        "projection_dim": width,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
    }
    text = {
        "vocab_size": vocabulary + 2,
        "encoder_hidden_size": width,
        "max_position_embeddings": 64,
        "bos_token_id": vocabulary,
        "sep_token_id": 3,
        "eos_token_id": 2,
        "pad_token_id": 0,
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
        "is_decoder": True,
        "label_smoothing": 0.0,
    }
    return BlipConfig(
        text_config=shared | text,
        vision_config=shared | {"image_size": 64, "patch_size": 16, "initializer_range": 0.02},
        projection_dim=width,
        image_text_hidden_size=width,
    )
