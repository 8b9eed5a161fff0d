"""Photos described per second, beside a faithful loop of the seed, in one run.

    python -m benchmarks.describe [--quick] [--json] [--device cuda:0] [--dtype bfloat16] [--memory 10000]

Both describe the same pictures by the same weights: the exact architectures with random weights and 25 words a
caption, and the tiny checkpoints that ship with imgret. The seed's loop takes the first few pictures only.
The ratio is that of wall seconds a photo; `cpu_ratio`, of processor seconds, is the fairer one where others
use the machine, with OMP_NUM_THREADS=1. What was measured so far stands in benchmarks/NOTES.md.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import tempfile
from typing import Any

import msgspec

from imgret.config import Places, Settings, places

FLOOR = "floor on one H200: 0.35 ms of arithmetic and 0.12 ms of memory traffic a photo"


def main() -> None:
    """Measure what was asked for and print it."""
    parser = argparse.ArgumentParser(prog="benchmarks.describe", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few pictures: a minute or two on two cores")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda:0, ...")
    parser.add_argument("--dtype", action="append", choices=["float32", "bfloat16", "float16"])
    parser.add_argument(
        "--decoded", action="store_true", help="also from decoded pixels, which a GPU does in any case"
    )
    parser.add_argument("--photos", type=int, help="for the pipeline")
    parser.add_argument("--seed-photos", type=int, help="for the seed's loop")
    parser.add_argument("--batch", type=int, default=0, help="photos; 0: found by itself")
    parser.add_argument("--models", choices=["exact", "tiny", "both"], default="both")
    parser.add_argument("--weights", help="keep the exact checkpoints (3 GB) in this folder for the next run")
    parser.add_argument(
        "--memory", type=int, metavar="N", help="only: resident memory over N photos, tiny models"
    )
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        private = places({"HOME": folder})
        os.makedirs(os.path.join(folder, "pictures"))
        if asked.memory:
            _memory(asked, private, folder)
            return
        report = _compare(asked, private, folder)
    if asked.json:
        print(json.dumps(report))


def _compare(asked: argparse.Namespace, private: Places, folder: str) -> dict[str, Any]:
    from imgret.models import torch_device

    torch_device.prepare(private)
    torch_device.threads()
    device = torch_device.device(asked.device)
    report: dict[str, Any] = {"device": device}
    for models in ("tiny", "exact") if asked.models == "both" else (asked.models,):
        for name, figures in _models(asked, models, device, private, folder).items():
            report[name if models == "exact" else f"tiny {name}"] = figures
    report["peak_rss_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1000
    _say(f"peak resident memory, the seed's loop included: {report['peak_rss_mb']} MB")
    if device.startswith("cuda"):
        import torch

        report["peak_gpu_mb"] = torch.cuda.max_memory_allocated() // 1_000_000
        _say(f"peak GPU memory: {report['peak_gpu_mb']} MB")
        _say(FLOOR)
    return report


def _models(
    asked: argparse.Namespace, models: str, device: str, private: Places, folder: str
) -> dict[str, dict[str, Any]]:
    from benchmarks.describe import checkpoints, measure
    from imgret.demo.bundled import demo_settings
    from imgret.models.torch_linear import has_bfloat16

    gpu = device.startswith("cuda")
    few, many = {"tiny": (24, 96), "exact": (3, 16) if asked.quick else (8, 64)}[models]
    if gpu:
        few, many = 16, 512 if asked.quick else 4096
    few, many = asked.seed_photos or few, asked.photos or many
    base = Settings(batch=asked.batch)
    if models == "tiny":
        base = demo_settings(base)
    else:
        base = checkpoints.exact(asked.weights or os.path.join(folder, "weights"), base)
    paths = measure.pictures(os.path.join(folder, "pictures"), many)
    seed, said = measure.seed_loop(base, device, paths[: min(few, many)])
    _say(f"{models} models, the seed's loop: {_line(seed)}")
    figures: dict[str, dict[str, Any]] = {}
    exactly: list[Any] | None = None  # what imgret in float32 says of all photos, not of the seed's few only
    for dtype in asked.dtype or (["float32", "bfloat16"] if gpu or has_bfloat16() else ["float32"]):
        counting = "auto" if gpu and dtype == "bfloat16" else dtype  # what a GPU does by default
        settings = base.with_tables(
            caption=msgspec.structs.replace(base.of("caption"), dtype=dtype),
            detect=msgspec.structs.replace(base.of("detect"), dtype=counting),
            embed=msgspec.structs.replace(base.of("embed"), dtype=dtype),
        )
        ours, found = measure.pipeline(settings, private, device, paths)
        agreed = measure.agreement(said, found)
        ratio, cpu_ratio = seed.seconds / ours.seconds, seed.cpu_seconds / ours.cpu_seconds
        _say(f"{models} models, imgret in {dtype}: {_line(ours)}")
        _say(
            f"    {ratio:.2f} times the seed's loop ({cpu_ratio:.2f} by processor seconds); of {len(said)} photos "
            f"the same captions {agreed.captions:.0%}, counts {agreed.counts:.0%}, topics {agreed.topics:.0%}, "
            f"least cosine {agreed.vectors:.6f}"
        )
        if dtype == "float32":
            exactly = measure.as_said(found)
        elif exactly:
            wide = measure.agreement(exactly, found)
            _say(
                f"    of {len(exactly)} photos what imgret says in float32: captions {wide.captions:.0%}, "
                f"counts {wide.counts:.0%}, topics {wide.topics:.0%}"
            )
        name = {"float32": "fp32", "bfloat16": "bf16", "float16": "fp16"}[dtype]
        figures[name] = {
            "ratio": round(ratio, 3),
            "cpu_ratio": round(cpu_ratio, 3),
            "identical": agreed.captions,
            "agreement": msgspec.to_builtins(agreed),
            "seed": msgspec.to_builtins(seed),
            "imgret": msgspec.to_builtins(ours),
        }
        if gpu or asked.decoded:
            bare, _ = measure.pipeline(settings, private, device, paths, decoded=True)
            _say(f"    from decoded pixels: {_line(bare)}")
            figures[name]["decoded"] = msgspec.to_builtins(bare)
    return figures


def _memory(asked: argparse.Namespace, private: Places, folder: str) -> None:
    from benchmarks.describe import memory
    from imgret.demo.bundled import demo_settings

    settings = demo_settings(Settings(batch=asked.batch))
    for seen in memory.over(settings, private, os.path.join(folder, "pictures"), asked.memory):
        if asked.json:
            print(json.dumps(msgspec.to_builtins(seen)), flush=True)
        else:
            _say(f"{seen.photos} photos: {seen.megabytes:.0f} MB")


def _line(speed: Any) -> str:
    stages = ", ".join(f"{name} {seconds * 1000:.0f}" for name, seconds in speed.stages.items())
    return (
        f"{speed.seconds * 1000:.0f} ms a photo ({1 / speed.seconds:.2f} a second, "
        f"{speed.cpu_seconds * 1000:.0f} ms of processor) over {speed.photos}; ms by stage: {stages}"
    )


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


main()
