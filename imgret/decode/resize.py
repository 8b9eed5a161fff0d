"""A Pillow image of any mode and size -> 8-bit RGB of bounded size. Used in the decoder process only."""

from __future__ import annotations

from PIL import Image

# Twice the captioner's input size (384 px). A JPEG is reduced while it is decoded, but not below this short side.
DRAFT_SHORT_SIDE = 768
_ALPHA = ("RGBA", "LA", "PA", "RGBa", "La")


def load_reduced(image: Image.Image, side: int) -> None:
    """Decode. A JPEG is scaled to 1/2, 1/4 or 1/8 if the result is still large enough for the models."""
    long, short = max(image.size), min(image.size)
    image.draft(None, _scaled(image.size, min(1.0, DRAFT_SHORT_SIDE / short, side / long)))
    image.load()


def reduced(image: Image.Image, side: int) -> Image.Image:
    """Return the image with a long side of at most `side` pixels; a smaller one keeps its size."""
    image = _resizable(image)
    if max(image.size) <= side:
        return image
    size = _scaled(image.size, side / max(image.size))
    return image.resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0)


def _scaled(size: tuple[int, int], by: float) -> tuple[int, int]:
    return max(1, round(size[0] * by)), max(1, round(size[1] * by))


def _resizable(image: Image.Image) -> Image.Image:
    """Convert palettes and samples of more than 8 bits to a mode that can be resampled."""
    if image.mode.startswith("I;16"):
        return image.point(lambda sample: sample / 257).convert("L")  # 65535 -> 255; convert alone clips
    if image.mode in ("I", "F"):
        low, high = image.getextrema()
        scale = 255 / (high - low) if high > low else 0  # type: ignore[operator]
        return image.point(lambda sample: sample * scale - low * scale).convert("L")  # type: ignore[operator]
    if "transparency" in image.info:
        return image.convert("RGBA")
    if image.mode in ("P", "1"):
        return image.convert("RGB")
    return image


def to_rgb(image: Image.Image) -> Image.Image:
    """Convert any mode to RGB; transparent pixels become white."""
    if image.mode not in _ALPHA:
        return image.convert("RGB")
    image = image.convert("RGBA")
    paper = Image.new("RGB", image.size, "white")
    paper.paste(image, mask=image.getchannel("A"))
    return paper
