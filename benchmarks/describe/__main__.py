"""Photos described per second, compared with the baseline loop of *image-retrieval* in the same run.

    python -m benchmarks.describe [--quick] [--json] [--device cuda:0] [--dtype bfloat16] [--captions 3] [--memory 10000]
    python -m benchmarks.describe --device cuda:0 --stages --whole 0.3 12 [--seconds 10] [--profile]

Both describe the same photos with the same weights: the real architectures with random weights and captions of 25
tokens, and the tiny checkpoints in `imgret.demo`. The baseline loop describes only the first few photos. `ratio` compares
wall seconds per photo. `cpu_ratio` compares CPU seconds; it is more reliable on a busy machine, with OMP_NUM_THREADS=1.

`--stages` measures each stage alone from decoded pixels, with the least time that its arithmetic and its traffic need
(`floor`). `--whole` measures all of them, the image embedding included, from decoded pixels and from JPEGs of these sizes.
Results so far are in benchmarks/NOTES.md.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import tempfile
from typing import Any

import msgspec

from benchmarks.describe.speed_lines import line, print_line
from imgret.config import Places, Settings, places
from imgret.weights import NONE


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="benchmarks.describe", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few photos: a minute or two on two cores")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda:0, ...")
    parser.add_argument("--dtype", action="append", choices=["float32", "bfloat16", "float16"])
    parser.add_argument(
        "--decoded", action="store_true", help="also from decoded pixels (always done on a GPU)"
    )
    parser.add_argument("--photos", type=int, help="number of photos for the pipeline")
    parser.add_argument("--baseline-photos", type=int, help="number of photos for the baseline loop")
    parser.add_argument(
        "--seed-photos", type=int, dest="baseline_photos", help=argparse.SUPPRESS
    )  # the old name
    parser.add_argument("--batch", type=int, default=0, help="photos per batch; 0: adapted to the memory")
    parser.add_argument("--captions", type=int, help="also with this many captions of each photo")
    parser.add_argument("--models", choices=["exact", "tiny", "both"], default="both")
    parser.add_argument("--weights", help="keep the exact checkpoints (3 GB) in this folder for the next run")
    parser.add_argument("--stages", action="store_true", help="also each stage alone, with its floor")
    parser.add_argument(
        "--whole", type=float, nargs="+", metavar="MP", help="also from JPEGs of these megapixels"
    )
    parser.add_argument("--seconds", type=float, default=10.0, help="time for each measurement of these two")
    parser.add_argument("--profile", action="store_true", help="also the share of time that a GPU is idle")
    parser.add_argument(
        "--memory",
        type=int,
        metavar="N",
        help="measure only the resident memory over N photos, with tiny models",
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        private = places({"HOME": folder})
        os.makedirs(os.path.join(folder, "pictures"))
        if options.memory:
            _memory(options, private, folder)
            return
        report = _compare(options, private, folder)
    if options.json:
        print(json.dumps(report))


def _compare(options: argparse.Namespace, private: Places, folder: str) -> dict[str, Any]:
    from imgret.models import torch_device

    torch_device.prepare(private)
    torch_device.threads()
    device = torch_device.device(options.device)
    report: dict[str, Any] = {"device": device}
    for models in ("tiny", "exact") if options.models == "both" else (options.models,):
        for name, figures in _models(options, models, device, private, folder).items():
            report[name if models == "exact" else f"tiny {name}"] = figures
    report["peak_rss_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1000
    print_line(f"peak resident memory, including the baseline loop: {report['peak_rss_mb']} MB")
    if device.startswith("cuda"):
        import torch

        report["peak_gpu_mb"] = torch.cuda.max_memory_allocated() // 1_000_000
        print_line(f"peak GPU memory: {report['peak_gpu_mb']} MB")
    return report


def _models(
    options: argparse.Namespace, models: str, device: str, private: Places, folder: str
) -> dict[str, dict[str, Any]]:
    from benchmarks.describe import alone_and_whole, checkpoints, measure
    from imgret.demo.bundled import demo_settings
    from imgret.models.torch_linear import has_bfloat16

    gpu = device.startswith("cuda")
    few, many = {"tiny": (24, 96), "exact": (3, 16) if options.quick else (8, 64)}[models]
    if gpu:
        few, many = 16, 512 if options.quick else 4096
    few, many = options.baseline_photos or few, options.photos or many
    off = {stage: msgspec.structs.replace(Settings().of(stage), weights=NONE) for stage in ("place", "ocr")}
    base = Settings(batch=options.batch).with_tables(**off)  # the loop has neither
    if models == "tiny":
        base = demo_settings(base).with_tables(**off)
    else:
        base = checkpoints.exact(options.weights or os.path.join(folder, "weights"), base)
    paths = measure.pictures(os.path.join(folder, "pictures"), many)
    baseline, expected = measure.baseline_loop(base, device, paths[: min(few, many)])
    print_line(f"{models} models, baseline loop: {line(baseline)}")
    figures: dict[str, dict[str, Any]] = {}
    exact: list[Any] | None = None  # imgret's descriptions of all photos in float32
    for dtype in options.dtype or (["float32", "bfloat16"] if gpu or has_bfloat16() else ["float32"]):
        counting = "auto" if gpu and dtype == "bfloat16" else dtype  # the default on a GPU
        settings = base.with_tables(
            caption=msgspec.structs.replace(base.of("caption"), dtype=dtype),
            detect=msgspec.structs.replace(base.of("detect"), dtype=counting),
            embed=msgspec.structs.replace(base.of("embed"), dtype=dtype),
        )
        ours, found = measure.pipeline(settings, private, device, paths)
        agreed = measure.agreement(expected, found)
        ratio, cpu_ratio = baseline.seconds / ours.seconds, baseline.cpu_seconds / ours.cpu_seconds
        print_line(f"{models} models, imgret in {dtype}: {line(ours)}")
        print_line(
            f"    {ratio:.2f} times as fast as the baseline loop ({cpu_ratio:.2f} by CPU time); equal for {len(expected)}"
            f" photos: captions {agreed.captions:.0%}, counts {agreed.counts:.0%}, topics {agreed.topics:.0%}, "
            f"smallest cosine {agreed.vectors:.6f}"
        )
        if dtype == "float32":
            exact = measure.descriptions(found)
        elif exact:
            wide = measure.agreement(exact, found)
            print_line(
                f"    equal to imgret in float32 for {len(exact)} photos: captions {wide.captions:.0%}, "
                f"counts {wide.counts:.0%}, topics {wide.topics:.0%}"
            )
        name = {"float32": "fp32", "bfloat16": "bf16", "float16": "fp16"}[dtype]
        figures[name] = {
            "ratio": round(ratio, 3),
            "cpu_ratio": round(cpu_ratio, 3),
            "identical": agreed.captions,
            "agreement": msgspec.to_builtins(agreed),
            "seed": msgspec.to_builtins(baseline),
            "imgret": msgspec.to_builtins(ours),
        }
        if options.captions:
            more = msgspec.structs.replace(settings.of("caption"), captions=options.captions)
            several, _ = measure.pipeline(settings.with_tables(caption=more), private, device, paths)
            cost, cpu_cost = several.seconds / ours.seconds, several.cpu_seconds / ours.cpu_seconds
            print_line(f"    with {options.captions} captions: {line(several)}")
            print_line(f"    {cost:.2f} times the time with one caption ({cpu_cost:.2f} by CPU time)")
            figures[name]["captions"] = {"cost": round(cost, 3), "cpu_cost": round(cpu_cost, 3)}
        if gpu or options.decoded:
            bare, _ = measure.pipeline(settings, private, device, paths, decoded=True)
            print_line(f"    from decoded pixels: {line(bare)}")
            figures[name]["decoded"] = msgspec.to_builtins(bare)
    if options.stages or options.whole:
        if models == "exact":
            base = checkpoints.with_image(options.weights or os.path.join(folder, "weights"), base)
        figures["alone"], figures["whole"] = alone_and_whole.measured(
            options, base, private, device, folder, baseline.seconds
        )
    return figures


def _memory(options: argparse.Namespace, private: Places, folder: str) -> None:
    from benchmarks.describe import memory
    from imgret.demo.bundled import demo_settings

    settings = demo_settings(Settings(batch=options.batch))
    for seen in memory.over(settings, private, os.path.join(folder, "pictures"), options.memory):
        if options.json:
            print(json.dumps(msgspec.to_builtins(seen)), flush=True)
        else:
            print_line(f"{seen.photos} photos: {seen.megabytes:.0f} MB")


main()
