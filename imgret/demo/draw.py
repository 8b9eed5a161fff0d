"""Draw images with known content, for `imgret demo` and for tests.

Red, green, blue or yellow circles, squares and triangles on a white or black ground: one alone, or a scene of up to six
with one that is clearly the largest. The same random seed always draws the same pixels.
"""

from __future__ import annotations

import os
import random
from collections.abc import Mapping
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from PIL import Image

COLOURS: Mapping[str, tuple[int, int, int]] = {
    "red": (220, 30, 30),
    "green": (30, 170, 60),
    "blue": (40, 70, 220),
    "yellow": (240, 210, 40),
}
KINDS = ("circle", "square", "triangle")
GROUNDS: Mapping[str, tuple[int, int, int]] = {"white": (250, 250, 250), "black": (15, 15, 15)}
LANDSCAPE = (640, 480)
PORTRAIT = (480, 640)

_GAP = 0.02  # between two shapes, and to the border, as a fraction of the shorter side
_EXIF_IFD, _EXIF_TAKEN, _EXIF_MODEL = 0x8769, 0x9003, 0x0110


class Shape(Struct, frozen=True):
    """One shape. Its bounding box is the square of side `2 * radius` around its centre."""

    colour: str
    kind: str
    x: int  # pixels, centre
    y: int
    radius: int  # pixels


class Drawing(Struct, frozen=True):
    """The shapes of an image, the largest first."""

    ground: str
    size: tuple[int, int]  # width, height in pixels
    shapes: tuple[Shape, ...]

    @property
    def caption(self) -> str:
        """The caption that the demo's captioner is trained on; it begins with the captioner's prompt."""
        largest = self.shapes[0]
        if len(self.shapes) == 1:
            return f"a picture of a {largest.colour} {largest.kind} on a plain {self.ground} background"
        return (
            f"a picture of a large {largest.colour} {largest.kind} among smaller shapes"
            f" on a plain {self.ground} background"
        )

    @property
    def counts(self) -> dict[str, int]:
        """The number of shapes of each kind."""
        kinds = [shape.kind for shape in self.shapes]
        return {kind: kinds.count(kind) for kind in KINDS if kind in kinds}


def single(rng: random.Random, size: tuple[int, int] = LANDSCAPE, **fixed: str) -> Drawing:
    """Return a drawing of one shape near the middle. `fixed` may set its `colour`, its `kind` and the `ground`."""
    side = min(size)
    shape = _in_the_middle(rng, rng.randint(round(0.32 * side), round(0.35 * side)), size, **fixed)
    return Drawing(fixed.get("ground") or rng.choice(list(GROUNDS)), size, (shape,))


def scene(rng: random.Random, count: int, size: tuple[int, int] = LANDSCAPE) -> Drawing:
    """Return a drawing of `count` shapes (2 to 6), the largest near the middle, not touching each other or the border."""
    side = min(size)
    while True:  # random placement rarely fails for lack of space, so simply try again
        shapes = [_in_the_middle(rng, rng.randint(round(0.21 * side), round(0.25 * side)), size)]
        for _ in range(count - 1):
            radius = rng.randint(round(0.09 * side), round(0.12 * side))
            for _ in range(60):
                shape = _anywhere(rng, radius, size)
                if all(_apart(shape, other, round(_GAP * side)) for other in shapes):
                    shapes.append(shape)
                    break
        if len(shapes) == count:
            return Drawing(rng.choice(list(GROUNDS)), size, tuple(shapes))


def render(drawing: Drawing) -> Image.Image:
    """Return the RGB image of a drawing."""
    from PIL import Image, ImageDraw

    image = Image.new("RGB", drawing.size, GROUNDS[drawing.ground])
    pen = ImageDraw.Draw(image)
    for shape in drawing.shapes:
        x, y, r = shape.x, shape.y, shape.radius
        fill = COLOURS[shape.colour]
        if shape.kind == "circle":
            pen.ellipse([x - r, y - r, x + r, y + r], fill=fill)
        elif shape.kind == "square":
            pen.rectangle([x - r, y - r, x + r, y + r], fill=fill)
        else:
            pen.polygon([(x, y - r), (x - r, y + r), (x + r, y + r)], fill=fill)
    return image


def demo_folder(path: str, seed: int = 24) -> dict[str, Drawing]:
    """Draw 24 images in the folder `path`, which is created if necessary. Return the drawing of each file name.

    Twelve have a single shape, one of each colour and kind; twelve are scenes. They are JPEG and PNG, some in portrait
    format, some with date and camera in their EXIF. The file names do not describe the content.
    """
    rng = random.Random(seed)
    drawings = [
        single(rng, rng.choice((LANDSCAPE, PORTRAIT)), colour=colour, kind=kind)
        for colour in COLOURS
        for kind in KINDS
    ]
    drawings += [scene(rng, 2 + number % 5, rng.choice((LANDSCAPE, PORTRAIT))) for number in range(12)]
    rng.shuffle(drawings)
    os.makedirs(path, exist_ok=True)
    made = {}
    for number, drawing in enumerate(drawings, 1):
        name = f"IMG_{number:04d}." + ("png" if number % 4 == 0 else "jpg")
        image = render(drawing)
        if name.endswith("png"):
            image.save(os.path.join(path, name))
        else:
            exif = image.getexif()
            if number % 2:
                exif[_EXIF_MODEL] = "Drawing Board"
                exif.get_ifd(_EXIF_IFD)[_EXIF_TAKEN] = f"{2018 + number % 6}:07:{number:02d} 12:30:00"
            image.save(os.path.join(path, name), quality=92, exif=exif)
        made[name] = drawing
    return made


def _in_the_middle(rng: random.Random, radius: int, size: tuple[int, int], **fixed: str) -> Shape:
    width, height = size
    jitter = min(size) // 30
    return Shape(
        colour=fixed.get("colour") or rng.choice(list(COLOURS)),
        kind=fixed.get("kind") or rng.choice(KINDS),
        x=width // 2 + rng.randint(-jitter, jitter),
        y=height // 2 + rng.randint(-jitter, jitter),
        radius=radius,
    )


def _anywhere(rng: random.Random, radius: int, size: tuple[int, int]) -> Shape:
    edge = radius + round(_GAP * min(size))
    return Shape(
        colour=rng.choice(list(COLOURS)),
        kind=rng.choice(KINDS),
        x=rng.randint(edge, size[0] - edge),
        y=rng.randint(edge, size[1] - edge),
        radius=radius,
    )


def _apart(one: Shape, other: Shape, gap: int) -> bool:
    """Return whether the boxes of two shapes are at least `gap` pixels apart."""
    reach = one.radius + other.radius + gap
    return abs(one.x - other.x) >= reach or abs(one.y - other.y) >= reach
