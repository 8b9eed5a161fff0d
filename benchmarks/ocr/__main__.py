"""Text in images: `python -m benchmarks.ocr` prints recall and precision of words, and seconds for a photo.

It draws signs, receipts and screenshots in up to four scripts, at four sizes and in four directions, and reads them with
the stage `ocr` as it is set by default. A word is found if its letters stand together in the text that was read, because
searches ignore spaces; a word that was read is right if its letters stand together in the text that was drawn.
Latin, Cyrillic and digits are drawn with DejaVu Sans, which matplotlib ships; Chinese with any font that fontconfig
knows for it (Debian: fonts-wqy-microhei), and left out without one.

`--gallery FOLDER` instead prints the lines of each photo of a folder.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont, ImageOps

from imgret.config import places
from imgret.models.text_reader import TextReader
from imgret.photo import TextLine
from imgret.stages.ocr import MODELS, STAGE, OcrSettings, kept

SIDE = 1280  # pixels of the long side, as the decoder gives a photo to the stages
SIZES = (320, 640, 1280, 2560)
ANGLES = (0, 15, 90, 180)
KINDS = ("sign", "receipt", "screenshot")
WORDS = {
    "latin": "harbour restricted area private parking museum entrance station bakery coffee receipt total change"
    " balance invoice customer thank window settings account password network folder search archive delete"
    " Straße café señor Ærø naïve Łódź",
    "cyrillic": "станция музей выход молоко хлеб касса улица площадь аптека магазин итого сдача чек вокзал театр",
    "digits": "RE16TGK 4696RG B-MW3021 08F547 2010-08-24 13:21 1265 +49-30-901820 12.50 AB12CDE 7734 N917JB 55.90",
    "chinese": "北京 火车站 出口 入口 超市 收据 合计 找零 谢谢光临 停车场 博物馆 设置 网络 密码 文件夹 搜索 咖啡",
}
UNREAD = (
    "cyrillic",
)  # the models of rapidocr 3.10 cannot read it: it has a row of its own and counts nowhere else
COLOURS = (("white", "#1d4ed8"), ("black", "#facc15"), ("white", "#b91c1c"), ("#111827", "#f3f4f6"))


class Drawn(NamedTuple):
    """An image and the words in it."""

    image: Image.Image
    words: list[str]


def main() -> None:
    """Draw, read and print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ocr", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two sizes and two directions")
    parser.add_argument("--gallery", metavar="FOLDER", help="print the lines of these photos instead")
    parser.add_argument("--confidence", type=float, default=OcrSettings().confidence)
    arguments = parser.parse_args()
    weights = STAGE.locate(OcrSettings(), places())
    if weights.path is None:
        print(f"skipped: {weights.problem}. {weights.hint}")
        return
    models = [os.path.join(weights.path, name) for name in MODELS]
    reader = TextReader(models, threads=1)
    if arguments.gallery:
        print_lines(reader, arguments.gallery, arguments.confidence)
    else:
        sizes, angles = (SIZES[1:3], ANGLES[::2]) if arguments.quick else (SIZES, ANGLES)
        measure(reader, sizes, angles, arguments.confidence)
    reader.close()
    if not arguments.gallery:
        print_seconds(models)


def measure(reader: TextReader, sizes: Sequence[int], angles: Sequence[int], confidence: float) -> None:
    """Print recall and precision by kind, size, direction and script."""
    fonts = {script: font for script in WORDS if (font := font_of(script))}
    if "chinese" not in fonts:
        print("Chinese is left out: fontconfig finds no font for it")
    counts: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for script, font in fonts.items():
        for kind in KINDS:
            drawn = draw(kind, script, font)
            for size in sizes:
                for angle in angles:
                    lines = kept(reader.read(shrunk(drawn.image, size, angle)), confidence)
                    figures = judged(drawn.words, lines)
                    rows = [("script", script)]
                    if script not in UNREAD:
                        rows += [
                            ("kind", kind),
                            ("long side", f"{size}"),
                            ("direction", f"{angle}°"),
                            ("", "all"),
                        ]
                    for row in rows:
                        counts[row] = [a + b for a, b in zip(counts[row], figures, strict=True)]
    print(f"{'':10} {'':12} recall  precision  words")
    order = ("kind", "long side", "direction", "script", "")
    for (group, name), (found, drawn_, right, read) in sorted(
        counts.items(), key=lambda row: order.index(row[0][0])
    ):
        print(
            f"{group:10} {name:12} {found / drawn_:6.3f}  {right / max(read, 1):9.3f}  {drawn_:5}", flush=True
        )


def print_seconds(models: Sequence[str]) -> None:
    """Print the median seconds for a photo with little and with much text, with one and with two threads."""
    font = font_of("latin")
    assert font is not None
    photos = {kind: shrunk(draw(kind, "latin", font).image, SIDE, 0) for kind in KINDS}
    photos["no text"] = np.asarray(
        ImageOps.expand(Image.effect_mandelbrot((SIDE, 960), (-2, -1.5, 1, 1.5), 50)).convert("RGB")
    )
    print(f"\n{'seconds for a photo of 1280 pixels':36} 1 thread  2 threads  ratio")
    readers = [TextReader(models, threads=threads) for threads in (1, 2)]
    for name, pixels in photos.items():
        times: list[list[float]] = [[], []]
        for _ in range(3):  # by turns, so that other load affects both alike
            for reader, taken in zip(readers, times, strict=True):
                began = time.perf_counter()
                reader.read(pixels)
                taken.append(time.perf_counter() - began)
        one, two = (sorted(taken)[1] for taken in times)
        print(f"{name:36} {one:8.2f}  {two:9.2f}  {one / two:5.2f}", flush=True)
    for reader in readers:
        reader.close()


def print_lines(reader: TextReader, folder: str, confidence: float) -> None:
    """Print the kept lines of each photo in a folder, with their confidence."""
    photos = 0
    began = time.perf_counter()
    names = sorted(os.listdir(folder))
    for name in names:
        with Image.open(os.path.join(folder, name)) as image:
            upright = ImageOps.exif_transpose(image).convert("RGB")
        lines = kept(reader.read(shrunk(upright, max(upright.size), 0)), confidence)
        photos += bool(lines)
        if lines:
            print(name, *(f"{line.text} ({line.confidence:.3f})" for line in lines), sep=" | ", flush=True)
    print(f"{photos} of {len(names)} photos; {(time.perf_counter() - began) / len(names):.2f} s a photo")


def draw(kind: str, script: str, font: str) -> Drawn:
    """Draw a sign, a receipt or a screenshot with words of a script."""
    chance = random.Random(f"{kind} {script}")
    words = WORDS[script].split()
    chance.shuffle(words)
    wide, high = (960, 1280) if kind == "receipt" else (1280, 960)
    text, ground = COLOURS[chance.randrange(3)] if kind == "sign" else COLOURS[3]
    image = Image.new("RGB", (wide, high), "#9aa59a" if kind == "sign" else ground)
    pen = ImageDraw.Draw(image)
    if kind == "sign":
        pen.rounded_rectangle((140, 160, 1140, 800), 40, ground, text, 12)
        placed, letters = [(words[:2], 260), (words[2:4], 440), (words[4:5], 620)], 92
    elif kind == "receipt":
        pen.rectangle((120, 30, 840, 1250), "white")
        placed, letters = [(words[at % len(words) :][:2], 60 + 52 * at) for at in range(22)], 30
    else:
        pen.rectangle((0, 0, 1280, 60), "#374151")
        pen.rectangle((0, 60, 300, 960), "#e5e7eb")
        placed, letters = [(words[at % len(words) :][:4], 90 + 40 * at) for at in range(20)], 22
    drawn: list[str] = []
    for some, top in placed:
        place = {"sign": 200, "receipt": 160, "screenshot": 330}[kind]
        pen.text((place, top), " ".join(some), text, ImageFont.truetype(font, letters))
        drawn += some
    return Drawn(image, drawn)


def shrunk(image: Image.Image, size: int, angle: int) -> NDArray[np.uint8]:
    """Turn an image, give it this long side, and shrink it to SIDE, as the decoder does."""
    turned = image.rotate(angle, Image.Resampling.BICUBIC, expand=True, fillcolor="#9aa59a")
    factor = size / max(turned.size)
    turned = turned.resize((max(1, round(turned.width * factor)), max(1, round(turned.height * factor))))
    turned.thumbnail((SIDE, SIDE))
    return np.asarray(turned)


def judged(drawn: Sequence[str], lines: Iterable[TextLine]) -> list[int]:
    """Return how many drawn words were found, how many there are, how many words are right, how many were read."""
    read = [word for line in lines for word in line.text.split() if letters_of(word)]
    whole_read, whole_drawn = letters_of("".join(read)), letters_of("".join(drawn))
    found = sum(letters_of(word) in whole_read for word in drawn)
    return [found, len(drawn), sum(letters_of(word) in whole_drawn for word in read), len(read)]


def letters_of(text: str) -> str:
    """Return the letters and digits, folded."""
    return "".join(each for each in text.casefold() if each.isalnum())


def font_of(script: str) -> str | None:
    """Return the path of a font for a script; None if there is none."""
    if script != "chinese":
        import matplotlib

        return os.path.join(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")
    try:
        named = subprocess.run(
            ["fc-list", ":lang=zh-cn", "file"], capture_output=True, text=True, check=True
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    return min((line.rstrip(": \n") for line in named.splitlines()), default=None)


if __name__ == "__main__":
    main()
