"""Train the four tiny checkpoints that ship with imgret: `python -m imgret.demo.build [OUT]`.

They are of the same classes and the same layout on disk as the real ones (BLIP, YOLOv8, RoBERTa,
INSTRUCTOR), so that the production loaders run on them unchanged, and they are right about what
`imgret.demo.draw` draws. One thread and fixed seeds; about three minutes of one core.
"""

from __future__ import annotations

import copy
import json
import os
import random
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from imgret.demo import draw
from imgret.demo.bundled import MODELS

if TYPE_CHECKING:
    import torch


_DETECTOR_PIXELS = 160
_MEAN = (0.48145466, 0.4578275, 0.40821073)  # those of the real preprocessor
_DEVIATION = (0.26862954, 0.26130258, 0.27577711)


def build(out: str = MODELS) -> None:
    """Train all four and save them to the folder `out`. Prints one line for each."""
    import torch

    from imgret.demo import build_text

    torch.set_num_threads(1)
    os.makedirs(out, exist_ok=True)
    for name, train in (
        ("topics", build_text.topics),
        ("embed", build_text.embed),
        ("caption", caption),
        ("detect.pt", detect),
    ):
        torch.manual_seed(0)
        loss = train(os.path.join(out, name))
        print(f"{name}: final loss {loss:.4f}", file=sys.stderr)


def drawings(rng: random.Random, scenes: float, scale: float = 1.0) -> Iterator[draw.Drawing]:
    """Drawings without end, `scenes` of them (a fraction) with several shapes."""
    sizes = [
        (round(width * scale), round(height * scale)) for width, height in (draw.LANDSCAPE, draw.PORTRAIT)
    ]
    while True:
        size = rng.choice(sizes)
        yield draw.scene(rng, rng.randint(2, 6), size) if rng.random() < scenes else draw.single(rng, size)


def caption(out: str, pictures: int = 5000, sights: int = 2000, steps: int = 700) -> float:
    """A BLIP captioner of 64 pixels, two layers on each side -> the folder `out`; returns the final loss.

    The eye learns first, by `sights` steps of naming what is largest; then both learn to speak.
    """
    import torch
    from transformers import BlipForConditionalGeneration

    os.makedirs(out, exist_ok=True)
    processor = _processor(out)
    model = BlipForConditionalGeneration(_blip_config(len(processor.tokenizer)))
    known = [
        drawing for drawing, _ in zip(drawings(random.Random(1), 0.5, 0.5), range(pictures), strict=False)
    ]
    pixels = torch.cat(
        [processor.image_processor(draw.render(d), return_tensors="pt")["pixel_values"] for d in known]
    )
    _learn_to_see(model.vision_model, pixels, known, sights)
    words = processor.tokenizer([d.caption for d in known], padding=True, return_tensors="pt")
    ids, mask = words["input_ids"], words["attention_mask"]
    ids[:, 0] = model.config.text_config.bos_token_id  # `generate` puts it there, so it is learned there
    labels = ids.masked_fill(mask == 0, -100)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=steps)
    model.train()
    loss = torch.tensor(0.0)
    for step in range(steps):
        rows = torch.randint(pictures, (32,))
        loss = model(
            pixel_values=_mirrored(pixels[rows], step),
            input_ids=ids[rows],
            attention_mask=mask[rows],
            labels=labels[rows],
        ).loss
        _descend(model, loss, optimizer, schedule, 1.0)
    model.eval()
    model.save_pretrained(out)
    return loss.item()


def _learn_to_see(eye: Any, pixels: torch.Tensor, known: Sequence[draw.Drawing], steps: int) -> None:
    """Train a vision model to tell colour, kind, ground and whether there is one shape, by throw-away heads."""
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
    answers = (len(draw.COLOURS), len(draw.KINDS), len(draw.GROUNDS), 2)
    heads = [torch.nn.Linear(eye.config.hidden_size, many) for many in answers]
    both = torch.nn.ModuleList([eye, *heads])
    optimizer = torch.optim.AdamW(both.parameters(), lr=3e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps)
    both.train()
    for step in range(steps):
        rows = torch.randint(len(known), (48,))
        sight = eye(pixel_values=_mirrored(pixels[rows], step)).last_hidden_state.mean(1)
        loss = torch.stack(
            [
                torch.nn.functional.cross_entropy(head(sight), facts[rows, number])
                for number, head in enumerate(heads)
            ]
        ).sum()
        _descend(both, loss, optimizer, schedule, 1.0)


def _mirrored(pixels: torch.Tensor, step: int) -> torch.Tensor:
    """Every other batch left for right: what is seen has the same name."""
    return pixels.flip(-1) if step % 2 else pixels


def _processor(out: str) -> Any:
    """The tokenizer and the preprocessor, written to `out` as the real repository has them."""
    from transformers import BertTokenizer, BlipProcessor

    some = drawings(random.Random(2), 0.5)
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


def detect(out: str, pictures: int = 900, steps: int = 450, width: float = 0.0625) -> float:
    """A YOLOv8 of three classes for 160 pixels -> the file `out`; returns the final loss per picture."""
    import torch
    import ultralytics
    from ultralytics.nn.tasks import DetectionModel
    from ultralytics.utils import DEFAULT_CFG_DICT, YAML, IterableSimpleNamespace

    recipe = os.path.join(os.path.dirname(ultralytics.__file__), "cfg", "models", "v8", "yolov8.yaml")
    architecture = YAML.load(recipe)
    architecture |= {"nc": len(draw.KINDS), "scales": {"n": [0.33, width, 1024]}, "scale": "n"}
    model = DetectionModel(architecture, nc=len(draw.KINDS), verbose=False)
    model.names = {number: kind.capitalize() for number, kind in enumerate(draw.KINDS)}
    trained_with = {"imgsz": _DETECTOR_PIXELS, "task": "detect", "model": "yolov8-drawn.yaml"}
    model.args = IterableSimpleNamespace(**{**DEFAULT_CFG_DICT, **trained_with})
    rng = random.Random(3)
    some = drawings(rng, 0.8)
    known = [_letterboxed(next(some)) for _ in range(pictures)]
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 5e-3, total_steps=steps)
    model.train()
    loss = torch.tensor(0.0)
    for _ in range(steps):
        loss = model(_detector_batch(rng.choices(known, k=16), mirrored=rng.random() < 0.5))[0].sum()
        _descend(model, loss, optimizer, schedule, 10.0)
    model.eval()
    model.criterion = None
    finished = copy.deepcopy(model).half()
    torch.save(
        {
            "model": finished,
            "ema": None,
            "optimizer": None,
            "epoch": -1,
            "train_args": trained_with,
            "date": None,
            "version": ultralytics.__version__,
        },
        out,
    )
    return loss.item() / 16


def _letterboxed(drawing: draw.Drawing) -> tuple[torch.Tensor, list[list[float]], list[int]]:
    """Pixels uint8 (3, 160, 160), boxes as fractions (centre x, centre y, width, height), classes."""
    import numpy as np
    import torch
    from PIL import Image

    width, height = drawing.size
    scale = _DETECTOR_PIXELS / max(width, height)
    small = draw.render(drawing).resize(
        (round(width * scale), round(height * scale)), Image.Resampling.BILINEAR
    )
    canvas = Image.new("RGB", (_DETECTOR_PIXELS, _DETECTOR_PIXELS), (114, 114, 114))
    left, top = (_DETECTOR_PIXELS - small.width) // 2, (_DETECTOR_PIXELS - small.height) // 2
    canvas.paste(small, (left, top))
    boxes = [
        [
            (left + shape.x * scale) / _DETECTOR_PIXELS,
            (top + shape.y * scale) / _DETECTOR_PIXELS,
            2 * shape.radius * scale / _DETECTOR_PIXELS,
            2 * shape.radius * scale / _DETECTOR_PIXELS,
        ]
        for shape in drawing.shapes
    ]
    pixels = torch.from_numpy(np.array(canvas)).permute(2, 0, 1)
    return pixels, boxes, [draw.KINDS.index(shape.kind) for shape in drawing.shapes]


def _detector_batch(
    rows: Sequence[tuple[torch.Tensor, list[list[float]], list[int]]], *, mirrored: bool
) -> dict[str, torch.Tensor]:
    """What ultralytics' loss wants: all boxes of the batch in one list, with the picture each belongs to."""
    import torch

    pixels = torch.stack([row[0] for row in rows]).float() / 255
    boxes = torch.tensor([box for row in rows for box in row[1]])
    if mirrored:
        pixels = pixels.flip(-1)
        boxes[:, 0] = 1 - boxes[:, 0]
    return {
        "img": pixels,
        "bboxes": boxes,
        "cls": torch.tensor([[float(kind)] for row in rows for kind in row[2]]),
        "batch_idx": torch.tensor([float(number) for number, row in enumerate(rows) for _ in row[2]]),
    }


def _descend(model: Any, loss: Any, optimizer: Any, schedule: Any, clip: float) -> None:
    """One step of gradient descent."""
    import torch

    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
    optimizer.step()
    schedule.step()


if __name__ == "__main__":
    build(*sys.argv[1:2])
