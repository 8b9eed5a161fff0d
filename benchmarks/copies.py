"""Near-duplicates: `python -m benchmarks.copies --photos 1000000`.

1. If the gallery of the baseline project is there: the share of re-encoded, resized, cropped, changed and turned copies that are
   recognised, and of unrelated pairs that are taken for copies; also by other hashes, where their libraries are installed.
2. Finding all groups among synthetic hashes: seconds, memory, the share of the planted copies that are found, and wrong pairs.
   1 of 20 photos has a copy, half of them turned; and there are nearly equal dark photos and pages of text without copies.
"""

from __future__ import annotations

import argparse
import io
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

from imgret.decode.perceptual import FINE_GRID, GRID, look
from imgret.search import looks
from imgret.search.near_pairs import near_pairs
from imgret.search.stars import Stars
from imgret.store.records import Looks

GALLERY = Path(__file__).parents[2] / "shared" / "seed" / "gallery"
PARTS = 3  # a photo is cut into PARTS x PARTS parts, which are compared with parts of other photos
NEARLY_EQUAL = 5_000


def jpeg(image: Image.Image, quality: int) -> Image.Image:
    """The image as a JPEG file shows it."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return Image.open(file).convert("RGB")


def cropped(image: Image.Image, left: float, top: float, right: float, bottom: float) -> Image.Image:
    """The image without these shares of its sides."""
    width, height = image.size
    box = width * left, height * top, width * (1 - right), height * (1 - bottom)
    return image.crop(tuple(map(int, box)))  # type: ignore[arg-type]


def tinted(image: Image.Image, red: float, blue: float) -> Image.Image:
    """The image with its red and blue multiplied."""
    return Image.fromarray((np.asarray(image) * np.array([red, 1, blue])).clip(0, 255).astype(np.uint8))


CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "JPEG, quality 30": lambda image: jpeg(image, 30),
    "half the size": lambda image: image.resize((image.width // 2, image.height // 2)),
    "160 pixels, JPEG": lambda image: jpeg(ImageOps.contain(image, (160, 160)), 50),
    "without 2 % at one side": lambda image: cropped(image, 0.02, 0, 0, 0),
    "without 2 % at two sides": lambda image: cropped(image, 0.02, 0.02, 0, 0),
    "without 2 % all around": lambda image: cropped(image, 0.02, 0.02, 0.02, 0.02),
    "without 5 % all around": lambda image: cropped(image, 0.05, 0.05, 0.05, 0.05),
    "brighter by 1.3": lambda image: ImageEnhance.Brightness(image).enhance(1.3),
    "darker by 0.7": lambda image: ImageEnhance.Brightness(image).enhance(0.7),
    "contrast by 1.3": lambda image: ImageEnhance.Contrast(image).enhance(1.3),
    "white balance by 15 %": lambda image: tinted(image, 1.15, 0.85),
    "grey": lambda image: ImageOps.grayscale(image).convert("RGB"),
    "turned by 90 degrees": lambda image: image.transpose(Image.Transpose.ROTATE_90),
    "turned by 180 degrees": lambda image: image.transpose(Image.Transpose.ROTATE_180),
    "mirrored": lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    "turned by 2 degrees": lambda image: cropped(image.rotate(2, Image.Resampling.BICUBIC), *[0.03] * 4),
}


def hashed(image: Image.Image) -> bytes:
    """The perceptual hash, as `decode.pixels` computes it."""
    coarse, fine = (
        image.resize((side, side), Image.Resampling.BILINEAR, reducing_gap=2.0) for side in (GRID, FINE_GRID)
    )
    return look(coarse.convert("L").tobytes(), fine.convert("L").tobytes(), coarse.convert("RGB").tobytes())


def joined(hashes: list[bytes]) -> Looks:
    """Many hashes."""
    parts = [looks.packed(each) for each in hashes]
    return Looks(np.arange(len(parts)), *(np.concatenate([part[n] for part in parts]) for n in (1, 2, 3, 4)))


def other_hashes() -> dict[str, tuple[Callable[[Image.Image], Any], int]]:
    """Hashes of libraries that are installed, and the bits that may differ, as their authors advise."""
    found: dict[str, tuple[Callable[[Image.Image], Any], int]] = {}
    try:
        import imagehash  # type: ignore[import-not-found,unused-ignore]

        found["pHash"] = (lambda image: imagehash.phash(image).hash.ravel(), 6)
    except ImportError:
        pass
    try:
        import pdqhash  # type: ignore[import-not-found,unused-ignore]

        found["PDQ"] = (lambda image: pdqhash.compute(np.asarray(image))[0].astype(bool), 31)
    except ImportError:
        pass
    return found


def gallery() -> None:
    """Measure on real photos."""
    photos = [Image.open(file).convert("RGB") for file in sorted(GALLERY.glob("*.jpg"))]
    if not photos:
        print("the gallery is not there: recognising copies was not measured")
        return
    others = other_hashes()
    begin = time.perf_counter()
    own = [hashed(photo) for photo in photos]
    print(f"{len(photos)} photos, {(time.perf_counter() - begin) / len(photos) * 1000:.1f} ms a hash")
    theirs = {name: [make(photo) for photo in photos] for name, (make, _) in others.items()}
    for name, change in CHANGES.items():
        copies = [change(photo) for photo in photos]
        found = sum(
            len(looks.alike(looks.packed(before), looks.packed(hashed(after)))[0])
            for before, after in zip(own, copies, strict=True)
        )
        line = f"  {name:26} {found / len(photos):6.1%}"
        for other, (make, bits) in others.items():
            near = sum(
                int((before != make(after)).sum()) <= bits
                for before, after in zip(theirs[other], copies, strict=True)
            )
            line += f"   {other} {near / len(photos):6.1%}"
        print(line)
    parts = [
        photo.crop((w * x // PARTS, h * y // PARTS, w * (x + 1) // PARTS, h * (y + 1) // PARTS))
        for photo in photos
        for w, h in [photo.size]
        for y in range(PARTS)
        for x in range(PARTS)
    ]
    all_parts = joined([hashed(part) for part in parts])
    owner = np.repeat(np.arange(len(photos)), PARTS * PARTS)
    wrong = near_pairs(all_parts, looks.COPY, lambda a, b: owner[a] != owner[b])
    pairs = (len(parts) ** 2 - len(photos) * PARTS**4) // 2
    print(f"  {len(wrong.worse)} of {pairs} pairs of parts of different photos are taken for copies")


def synthetic(count: int) -> tuple[Looks, set[tuple[int, int]]]:
    """Hashes with the spectrum of photos, and the planted pairs."""
    rng = np.random.default_rng(1)
    row, column = np.divmod(np.arange(64), 8)
    spread = (75 / (1 + np.hypot(row, column)) ** 0.6).astype(np.float32)
    spread[0] = 0
    signatures = np.empty((count, 64), np.int8)
    for start in range(0, count, 65_536):
        block = rng.standard_normal((min(65_536, count - start), 64), np.float32) * spread
        signatures[start : start + len(block)] = block.round().clip(-127, 127)
    details = rng.integers(0, 256, (count, 24), np.uint8)
    nearly_equal = min(NEARLY_EQUAL, count // 10)
    for first in (
        0,
        nearly_equal,
    ):  # signatures like each other, details that differ: pages of text, dark scenes
        noise = rng.standard_normal((nearly_equal, 64)) * 4
        block = signatures[first].astype(np.float32) + noise
        signatures[first : first + nearly_equal] = block.round().clip(-127, 127)
    copied = np.arange(2 * nearly_equal, count - count // 20, 20)
    places = np.arange(count - len(copied), count)
    noise = rng.standard_normal((len(copied), 64)) * 3  # cosines of 0.97 to 0.99
    side = np.where(np.arange(len(copied)) % 2, rng.integers(1, 8, len(copied)), 0)
    changed = (signatures[copied] + noise).round().clip(-127, 127).astype(np.int8)
    flips = np.packbits(rng.random((len(copied), 192)) < 0.05, axis=1)
    signatures[places] = looks.turned(changed, side)
    details[places] = looks.turned_details(details[copied] ^ flips, side)
    planted = set(zip(copied.tolist(), places.tolist(), strict=True))
    colours = np.zeros((count, 2), np.int8)  # grey, so that the other parts decide
    return Looks(np.arange(count), signatures, details, colours, np.ones(count, np.bool_)), planted


def library(count: int) -> None:
    """Measure the groups of a library."""
    found, planted = synthetic(count)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begin, processor = time.perf_counter(), time.process_time()

    def compatible(better: Any, _: Any) -> Any:
        return np.ones(len(better), np.bool_)

    pairs = near_pairs(found, looks.COPY, compatible)
    joins = list(Stars(found, looks.COPY, compatible).joins(pairs))
    seconds, processor = time.perf_counter() - begin, time.process_time() - processor
    more = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    right = {(leader, photo) for photo, leader, _ in joins} & planted
    print(
        f"{count} photos: {seconds:.1f} s ({processor:.1f} s of a processor), {more:.0f} MiB beside the hashes;"
        f" {len(right) / len(planted):.2%} of {len(planted)} copies, {len(joins) - len(right)} wrong"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--photos", type=int, nargs="+", default=[100_000], help="numbers of synthetic photos"
    )
    options = parser.parse_args()
    gallery()
    for count in options.photos:
        library(count)


if __name__ == "__main__":
    main()
