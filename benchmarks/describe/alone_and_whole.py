"""Each stage alone beside its floor, and all stages together from pixels and from files."""

from __future__ import annotations

import argparse
import os
from typing import Any

import msgspec

from benchmarks.describe import floor, measure, stage_speed
from benchmarks.describe.speed_lines import line, print_line
from imgret.config import Places, Settings

_DISTINCT = {0.3: 512}  # different files of a size in megapixels, which are described repeatedly
_FEW_DISTINCT = 32  # of larger ones


def measured(
    options: argparse.Namespace,
    settings: Settings,
    private: Places,
    device: str,
    folder: str,
    baseline: float,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Measure with the default dtypes. `baseline` is the loop's seconds per photo."""
    alone: dict[str, Any] = {}
    whole: dict[str, Any] = {}
    files = _files(os.path.join(folder, "0.3"), 0.3)
    least = 0.0
    if options.stages:
        ceiling = floor.ceilings(device, ("float32", "bfloat16"))
        alone["ceilings"] = msgspec.to_builtins(ceiling)
        print_line(
            "    ceilings: "
            + ", ".join(f"{name} {flops / 1e12:.2f} TFLOP/s" for name, flops in ceiling.flops.items())
            + f", copy {ceiling.bytes / 1e12:.3f} TB/s"
        )
        for speed in stage_speed.measured(
            settings,
            private,
            device,
            [measure.pixels(path) for path in files[:8]],
            batch=options.batch or (256 if device.startswith("cuda") else 8),
            seconds=options.seconds / 2,
            ceiling=ceiling,
            profile=options.profile,
        ):
            alone[speed.stage] = msgspec.to_builtins(speed)
            least += speed.floor.seconds
            print_line(
                f"    {speed.stage} alone, {speed.batch} at once: {speed.per_second:.1f} per second; floor"
                f" {speed.floor.arithmetic_ms:.4g} ms of arithmetic ({speed.floor.gflop:.4g} GFLOP),"
                f" {speed.floor.traffic_ms:.4g} ms of traffic; {speed.of_floor:.1f} times the floor"
                + (f"; the GPU is idle for {speed.idle:.0%}" if speed.idle is not None else "")
            )
        alone["floor_per_second"] = round(1 / least, 1)
        print_line(f"    floor of all stages: {1 / least:.1f} per second")
    runs = {"decoded pixels": (files, True)} if options.whole else {}
    for size in options.whole or ():
        runs[f"{size:g}-megapixel JPEGs"] = (
            files if size == 0.3 else _files(os.path.join(folder, f"{size:g}"), size),
            False,
        )
    for name, (paths, decoded) in runs.items():
        full, _ = measure.pipeline(
            settings,
            private,
            device,
            _repeated(paths, options.seconds),
            decoded=decoded,
            most_seconds=options.seconds,
            profile=options.profile,
        )
        whole[name] = {**msgspec.to_builtins(full), "ratio": round(baseline / full.seconds, 2)}
        print_line(
            f"    all stages from {name}: {line(full)}; {baseline / full.seconds:.1f} times the baseline loop"
            + (f"; the GPU is idle for {full.idle:.0%}" if full.idle is not None else "")
        )
    return alone, whole


def _files(folder: str, megapixels: float) -> list[bytes]:
    os.makedirs(folder, exist_ok=True)
    width = round((megapixels * 1e6 * 4 / 3) ** 0.5)
    size = measure.SIZE if megapixels == 0.3 else (width, width * 3 // 4)
    return measure.pictures(folder, _DISTINCT.get(megapixels, _FEW_DISTINCT), size)


def _repeated(paths: list[bytes], seconds: float) -> list[bytes]:
    """Return more paths than are described in this time, at 5,000 a second."""
    return paths * max(1, int(seconds * 5000 / len(paths)))
