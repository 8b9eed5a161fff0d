"""Train the demo's detector: a YOLOv8 of a sixteenth of the width, with three classes, as an ultralytics checkpoint."""

from __future__ import annotations

import copy
import os
import random
from collections.abc import Sequence
from typing import TYPE_CHECKING

from imgret.demo import draw, training_data

if TYPE_CHECKING:
    import torch

_PIXELS = 160  # side of the network's input


def detect(out: str, images: int = 900, steps: int = 450, width: float = 0.0625) -> float:
    """Train the detector, save it to the file `out`, and return the final loss per image."""
    import torch
    import ultralytics
    from ultralytics.nn.tasks import DetectionModel
    from ultralytics.utils import DEFAULT_CFG_DICT, YAML, IterableSimpleNamespace

    recipe = os.path.join(os.path.dirname(ultralytics.__file__), "cfg", "models", "v8", "yolov8.yaml")
    architecture = YAML.load(recipe)
    architecture |= {"nc": len(draw.KINDS), "scales": {"n": [0.33, width, 1024]}, "scale": "n"}
    model = DetectionModel(architecture, nc=len(draw.KINDS), verbose=False)
    model.names = {number: kind.capitalize() for number, kind in enumerate(draw.KINDS)}
    trained_with = {"imgsz": _PIXELS, "task": "detect", "model": "yolov8-drawn.yaml"}
    model.args = IterableSimpleNamespace(**{**DEFAULT_CFG_DICT, **trained_with})
    rng = random.Random(3)
    some = training_data.drawings(rng, 0.8)
    known = [_letterboxed(next(some)) for _ in range(images)]
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 5e-3, total_steps=steps)
    model.train()
    loss = torch.tensor(0.0)
    for _ in range(steps):
        loss = model(_detector_batch(rng.choices(known, k=16), mirrored=rng.random() < 0.5))[0].sum()
        training_data.training_step(model, loss, optimizer, schedule, 10.0)
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
    """Return pixels uint8 (3, 160, 160), boxes (centre x, centre y, width, height) as fractions of the side, classes."""
    import numpy as np
    import torch
    from PIL import Image

    width, height = drawing.size
    scale = _PIXELS / max(width, height)
    small = draw.render(drawing).resize(
        (round(width * scale), round(height * scale)), Image.Resampling.BILINEAR
    )
    canvas = Image.new("RGB", (_PIXELS, _PIXELS), (114, 114, 114))
    left, top = (_PIXELS - small.width) // 2, (_PIXELS - small.height) // 2
    canvas.paste(small, (left, top))
    boxes = [
        [
            (left + shape.x * scale) / _PIXELS,
            (top + shape.y * scale) / _PIXELS,
            2 * shape.radius * scale / _PIXELS,
            2 * shape.radius * scale / _PIXELS,
        ]
        for shape in drawing.shapes
    ]
    pixels = torch.from_numpy(np.array(canvas)).permute(2, 0, 1)
    return pixels, boxes, [draw.KINDS.index(shape.kind) for shape in drawing.shapes]


def _detector_batch(
    rows: Sequence[tuple[torch.Tensor, list[list[float]], list[int]]], *, mirrored: bool
) -> dict[str, torch.Tensor]:
    """Return the input of ultralytics' loss: all boxes of the batch in one list, with the number of their image."""
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
