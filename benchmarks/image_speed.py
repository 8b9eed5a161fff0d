"""Photos per second of the image stage, compared with the flow of rclip 4 in the same run.

    python -m benchmarks.image_speed [--photos 64] [--megapixels 0.3 12] [--device cuda:0] [--weights FOLDER]

Both embed the same JPEG files with the same CLIP ViT-B/32-256 (random weights): rclip's flow with onnxruntime, imgret
with the image stage alone, one by one and in batches. SigLIP 2 B/32-256 and B/16-256, imgret's defaults, follow. `ratio`
compares wall seconds per photo with rclip's flow, `cpu_ratio` CPU seconds, which is more reliable on a busy machine. The
runs alternate `--rounds` times, and the fastest round of each counts.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.describe import image_checkpoints, measure, rclip_flow
from benchmarks.describe.measure import Speed
from imgret.config import Places, Settings, places
from imgret.decode.pool import DecodePool, default_workers
from imgret.models import torch_device
from imgret.pipeline.loading import load_models
from imgret.pipeline.pipeline import Job, Pipeline
from imgret.stages.image import ImageSettings

STAGES = frozenset({"decode", "image"})


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="benchmarks.image_speed", description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=int, default=64)
    parser.add_argument(
        "--megapixels", type=float, nargs="+", default=[0.3, 12.0], help="sizes of the photos"
    )
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--dtype", default="auto", choices=["auto", "float32", "bfloat16", "float16"])
    parser.add_argument(
        "--siglip", action="store_true", help="also SigLIP 2, imgret's default (3 GB of weights)"
    )
    parser.add_argument("--weights", help="keep the checkpoints in this folder for the next run")
    parser.add_argument("--json", action="store_true", help="one JSON object per size on stdout")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        private = places({"HOME": folder})
        torch_device.prepare(private)
        torch_device.threads()
        weights = options.weights or os.path.join(folder, "weights")
        for megapixels in options.megapixels:
            report = _compare(options, private, folder, weights, megapixels)
            if options.json:
                print(json.dumps(report), flush=True)


def _compare(
    options: argparse.Namespace, private: Places, folder: str, weights: str, megapixels: float
) -> dict[str, Any]:
    device = torch_device.device(options.device)
    checkpoint = image_checkpoints.clip(weights)
    onnx = os.path.join(weights, "clip-vit-b-32-256.onnx")
    if not os.path.exists(onnx):
        rclip_flow.export(checkpoint, onnx)
    paths = _photos(os.path.join(folder, f"photos-{megapixels}"), options.photos, megapixels)
    flow = rclip_flow.RclipFlow(onnx, device)
    runs = {"one by one": (checkpoint, 1), "in batches": (checkpoint, 0)}
    if options.siglip:
        for patch in (32, 16):
            runs[f"SigLIP 2 B/{patch}-256 in batches"] = (image_checkpoints.siglip2(weights, patch), 0)
    speeds: dict[str, list[Speed]] = {"rclip": [], **{name: [] for name in runs}}
    smallest = 1.0
    for _ in range(options.rounds):
        speed, expected = _rclip(flow, paths)
        speeds["rclip"].append(speed)
        for name, (path, batch) in runs.items():
            settings = Settings(batch=batch).with_tables(
                image=ImageSettings(weights=path, dtype=options.dtype)
            )
            speed, found = _imgret(settings, private, device, paths)
            speeds[name].append(speed)
            if path == checkpoint:
                smallest = min(smallest, float((found * expected).sum(axis=1).min()))
    best = {name: min(rounds, key=lambda speed: speed.seconds) for name, rounds in speeds.items()}
    report: dict[str, Any] = {
        "megapixels": megapixels,
        "device": device,
        "smallest_cosine": round(smallest, 5),
    }
    for name, speed in best.items():
        ratio, cpu_ratio = (
            best["rclip"].seconds / speed.seconds,
            best["rclip"].cpu_seconds / speed.cpu_seconds,
        )
        report[name] = msgspec.to_builtins(speed) | {
            "ratio": round(ratio, 3),
            "cpu_ratio": round(cpu_ratio, 3),
        }
        print(
            f"{megapixels:g} megapixels, {name}: {speed.seconds * 1000:.1f} ms per photo ({1 / speed.seconds:.1f} per second,"
            f" {speed.cpu_seconds * 1000:.1f} ms of CPU time); {ratio:.2f} times rclip's speed ({cpu_ratio:.2f} by CPU time)",
            file=sys.stderr,
            flush=True,
        )
    print(f"    smallest cosine between the vectors of both: {smallest:.5f}", file=sys.stderr, flush=True)
    return report


def _photos(folder: str, count: int, megapixels: float) -> list[bytes]:
    """Write JPEGs with an aspect ratio of 4:3. Return their paths."""
    os.makedirs(folder, exist_ok=True)
    paths = measure.pictures(folder, count)
    width = round((megapixels * 1e6 * 4 / 3) ** 0.5)
    for path in paths:
        with Image.open(path) as image:
            large = image.resize((width, width * 3 // 4), Image.Resampling.BICUBIC)
        large.save(path, "JPEG", quality=90)
    return paths


def _rclip(flow: rclip_flow.RclipFlow, paths: Sequence[bytes]) -> tuple[Speed, NDArray[np.float32]]:
    flow.embed(paths[: rclip_flow.BATCH])
    began, cpu = time.perf_counter(), measure.cpu_seconds()
    found = [
        flow.embed(paths[start : start + rclip_flow.BATCH])
        for start in range(0, len(paths), rclip_flow.BATCH)
    ]
    return _speed(paths, began, cpu, {}), np.concatenate(found)


def _imgret(
    settings: Settings, private: Places, device: str, paths: Sequence[bytes]
) -> tuple[Speed, NDArray[np.float32]]:
    """Embed the photos by the pipeline that `imgret index` uses, which also hashes and verifies each file."""
    models = load_models(settings, private, ["image"], device=device)
    rows: dict[int, Any] = {}
    with DecodePool(default_workers(settings.decode_workers)) as pool:
        line = Pipeline(models, pool, batch=settings.batch)
        list(line.run([Job(0, paths[0], STAGES)]))
        before = line.stats.stage_seconds["image"]
        began, cpu = time.perf_counter(), measure.cpu_seconds()
        for outcomes in line.run(Job(key, path, STAGES) for key, path in enumerate(paths)):
            rows |= {outcome.key: outcome.results["image"].vectors["image"] for outcome in outcomes}
        seconds = time.perf_counter() - began
        taken = {"image": (line.stats.stage_seconds["image"] - before) / len(paths)}
    speed = _speed(paths, began, cpu, taken)  # the workers' CPU time counts once they have ended
    models.close()
    return msgspec.structs.replace(speed, seconds=seconds / len(paths)), np.stack(
        [rows[key] for key in sorted(rows)]
    )


def _speed(paths: Sequence[bytes], began: float, cpu: float, stages: dict[str, float]) -> Speed:
    return Speed(
        len(paths),
        (time.perf_counter() - began) / len(paths),
        (measure.cpu_seconds() - cpu) / len(paths),
        stages,
    )


if __name__ == "__main__":
    main()
