"""Decoding JPEGs, one core: Pillow's reduced decoding, which imgret uses, and libjpeg-turbo through simplejpeg.

    python -m benchmarks.decoding [--megapixels 0.3 12 24] [--photos 8] [--rounds 5] [--short-side 750]

Each file is in memory, and is scaled to 1/1, 1/2, 1/4 or 1/8 while it is decoded, as `imgret.decode.resize` does: the
smallest image whose short side has 768 pixels. `ratio` compares seconds with Pillow's; `equal` is the share of samples that
are the same, `apart` the greatest difference. The last line is the whole of what a decoder process does with a file. simplejpeg
is no dependency of imgret: install it to compare.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.describe.measure import pictures
from imgret.config import Settings
from imgret.decode import resize
from imgret.decode.decode_request import DecodeRequest
from imgret.decode.pixels import Limits, read

Pixels = NDArray[np.uint8]
Decode = Callable[[bytes], Pixels]

SIDE = 1280  # pixels: what `DecodePool` reduces the long side to


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="benchmarks.decoding", description=__doc__.splitlines()[0])
    parser.add_argument("--megapixels", type=float, nargs="+", default=[0.3, 12.0, 24.0])
    parser.add_argument("--photos", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=5, help="the fastest round of each counts")
    parser.add_argument(
        "--short-side",
        type=int,
        default=resize.DRAFT_SHORT_SIDE,
        help="the least short side of a reduced JPEG",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object per size on stdout")
    options = parser.parse_args()
    resize.DRAFT_SHORT_SIDE = options.short_side
    for megapixels in options.megapixels:
        with tempfile.TemporaryDirectory() as folder:
            report = _compare(photos(folder, options.photos, megapixels), options.rounds)
        for name, figures in report.items():
            _print_line(f"{megapixels:g} megapixels, {name}: {figures}")
        if options.json:
            print(json.dumps({"megapixels": megapixels, **report}), flush=True)


def photos(folder: str, count: int, megapixels: float) -> list[bytes]:
    """Write JPEGs of 4:3 with the detail and the subsampling of a camera. Return their paths."""
    paths = pictures(folder, count)
    width = round((megapixels * 1e6 * 4 / 3) ** 0.5)
    for number, path in enumerate(paths):
        with Image.open(path) as image:
            large = np.asarray(image.resize((width, width * 3 // 4), Image.Resampling.BICUBIC))
        # Smooth areas compress to almost nothing: a camera adds noise, about 3 bits for each pixel.
        noise = np.random.default_rng(number).normal(0, 6, large.shape[:2])[..., None]
        noisy = np.clip(large + noise, 0, 255).astype(np.uint8)
        Image.fromarray(noisy).save(path, "JPEG", quality=90, subsampling="4:2:0")
    return paths


def _compare(paths: list[bytes], rounds: int) -> dict[str, Any]:
    files = []
    for path in paths:
        with open(path, "rb") as file:
            files.append(file.read())
    ways: dict[str, Decode] = {"Pillow": _with_pillow}
    if (turbo := _simplejpeg()) is not None:
        ways["simplejpeg"] = turbo
    seconds: dict[str, list[float]] = {name: [] for name in (*ways, "all of decoding")}
    limits = Limits(Settings().max_megapixels, 4096, SIDE)
    for _ in range(rounds):
        for name, decode in ways.items():
            began = time.process_time()
            for data in files:
                decode(data)
            seconds[name].append(time.process_time() - began)
        began = time.process_time()
        for each in paths:
            read(DecodeRequest(each), limits)
        seconds["all of decoding"].append(time.process_time() - began)
    best = {name: min(times) / len(files) for name, times in seconds.items()}
    report: dict[str, Any] = {
        name: {"ms": round(each * 1000, 2), "ratio": round(best["Pillow"] / each, 2)}
        for name, each in best.items()
    }
    report["Pillow"]["size"] = f"{sum(map(len, files)) // len(files) // 1000} kB"
    if turbo is not None:
        pairs = [(ways["Pillow"](file), turbo(file)) for file in files]
        same = all(one.shape == other.shape for one, other in pairs)
        report["simplejpeg"] |= {
            "equal": round(float(np.mean([np.mean(one == other) for one, other in pairs])), 4) if same else 0,
            "apart": max(int(np.abs(one.astype(int) - other).max()) for one, other in pairs)
            if same
            else None,
        }
    return report


def _with_pillow(file: bytes) -> Pixels:
    with Image.open(io.BytesIO(file), formats=("JPEG",)) as image:
        resize.load_reduced(image, SIDE)
        return np.asarray(image.convert("RGB"))


def _simplejpeg() -> Decode | None:
    try:
        import simplejpeg
    except ImportError:
        _print_line("simplejpeg is not installed, so Pillow is measured alone")
        return None

    def decode(file: bytes) -> Pixels:
        height, width, _, _ = simplejpeg.decode_jpeg_header(file)
        by = min(1.0, resize.DRAFT_SHORT_SIDE / min(height, width), SIDE / max(height, width))
        # As Pillow: the greatest of 8, 4, 2 and 1 that leaves both sides as long as wanted. libjpeg-turbo has n/8 as well.
        factor = next(each for each in (8, 4, 2, 1) if each == 1 or 1 / each >= by)
        least = -(-height // factor), -(-width // factor)
        found: Pixels = simplejpeg.decode_jpeg(file, "RGB", min_height=least[0], min_width=least[1])
        return found

    return decode


def _print_line(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
