"""Train the five tiny checkpoints that ship with imgret: `python -m imgret.demo.build [OUT]`.

They have the same classes and the same layout on disk as the real ones (SigLIP, BLIP, YOLOv8, RoBERTa, INSTRUCTOR), so the
production loaders work with them unchanged. They describe the images of `imgret.demo.draw` correctly. Training uses one
thread and fixed seeds, and takes about ten minutes on one core.
"""

from __future__ import annotations

import os
import sys

from imgret.demo.bundled import MODELS


def build(out: str = MODELS) -> None:
    """Train all five models and save them to the folder `out`. The final losses are printed to stderr."""
    import torch

    from imgret.config import places
    from imgret.demo import build_caption, build_detect, build_embed, build_image, build_topics
    from imgret.models import torch_device

    torch_device.prepare(places())
    torch.set_num_threads(1)
    os.makedirs(out, exist_ok=True)
    for name, train in (
        ("image", build_image.image),
        ("topics", build_topics.topics),
        ("embed", build_embed.embed),
        ("caption", build_caption.caption),
        ("detect.pt", build_detect.detect),
    ):
        torch.manual_seed(0)
        loss = train(os.path.join(out, name))
        print(f"{name}: final loss {loss:.4f}", file=sys.stderr)


if __name__ == "__main__":
    build(*sys.argv[1:2])
