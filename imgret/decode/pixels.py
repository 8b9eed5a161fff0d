"""A photo file -> its facts and its upright RGB pixels, by Pillow. Runs in the decoder's process only.

The format is told by the first bytes, never by the name alone, and only what is listed is handed to a
decoder. The size is checked before anything is decoded. Small photos come out exactly as Pillow opens
them; large ones are reduced so that their long side fits `side`.

A path may be renamed or written to at any moment. So the bytes are hashed through the descriptor that the
decoder reads, before and after it: what comes out belongs to the content that was asked for, or is refused.
"""

from __future__ import annotations

import os
import stat
from typing import IO

from blake3 import blake3
from msgspec import Struct
from msgspec.structs import replace
from PIL import Image, ImageFile, UnidentifiedImageError

from imgret.decode import png, raw_files, truncated
from imgret.decode.exif import ORIENTATION, Tags, facts, printable, turned, upright_size
from imgret.decode.formats import foreign, prepare, sniff, turns_itself
from imgret.decode.hashing import OPEN_FLAGS, not_a_file, unreadable
from imgret.decode.perceptual import GRID, signature
from imgret.errors import FileChanged, PhotoError
from imgret.photo import Facts

# Twice what the captioner looks at (384 px): what a JPEG's own reduction must leave of the short side.
DRAFT_SHORT_SIDE = 768
_READ = 1 << 20  # bytes hashed at a time

_TURN = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
HEAD = 64  # bytes that tell a format
_ALPHA = ("RGBA", "LA", "PA", "RGBa", "La")


class Limits(Struct, frozen=True):
    """What one file may cost."""

    megapixels: int
    memory_mb: int
    side: int  # pixels


class Picture(Struct, frozen=True):
    """A decoded file."""

    facts: Facts
    width: int  # pixels, upright, as reduced
    height: int
    pixels: bytes  # RGB, row by row
    look: bytes  # `perceptual.signature`


def read(path: bytes, limits: Limits, expected: bytes | None = None) -> Picture:
    """Decode the file. Raises PhotoError whatever it holds.

    With `expected`, a 32-byte BLAKE3, raises FileChanged when other bytes or no file lie at the path.
    """
    name = os.fsdecode(path)
    try:
        fd = os.open(path, OPEN_FLAGS)
        mode = os.fstat(fd).st_mode
        if not stat.S_ISREG(mode):
            os.close(fd)
            raise _missing(not_a_file(path, mode), expected)
        with os.fdopen(fd, "rb") as file:
            return _unchanged(path, file, limits, expected)
    except PhotoError:
        raise
    except MemoryError:
        raise _too_large(name, limits) from None
    except Image.DecompressionBombError:
        raise _too_many_pixels(name, f"more than {2 * limits.megapixels} million", limits) from None
    except (FileNotFoundError, NotADirectoryError) as error:
        raise _missing(unreadable(path, error), expected) from None
    except OSError as error:
        if error.errno is not None:
            raise unreadable(path, error) from None
        raise _damaged(name, error, limits) from None
    except Exception as error:  # decoders raise what they like on a damaged file: this is their process
        raise _damaged(name, error, limits) from None


def _unchanged(path: bytes, file: IO[bytes], limits: Limits, expected: bytes | None) -> Picture:
    """Decode an open file. FileChanged, whatever the decoder said, when its bytes are not `expected`."""
    before = _hash(file.fileno())
    if expected not in (None, before):
        raise FileChanged(f"{os.fsdecode(path)} is another file than it was", transient=True)
    if before == blake3().digest():
        raise PhotoError(f"{os.fsdecode(path)} is empty", "It is tried again.", transient=True)
    try:
        return _decoded(path, file, limits)
    finally:
        if _hash(file.fileno()) != before:
            raise FileChanged(f"{os.fsdecode(path)} changed while it was read", transient=True)


def _missing(error: PhotoError, expected: bytes | None) -> PhotoError:
    """What it means that no regular file lies at the path: one that was expected has gone elsewhere."""
    return error if expected is None else FileChanged(str(error), transient=True)


def _hash(fd: int) -> bytes:
    """The BLAKE3 of all bytes of an open file; its position stays."""
    hasher, at = blake3(), 0
    while block := os.pread(fd, _READ, at):
        hasher.update(block)
        at += len(block)
    return hasher.digest()


def _decoded(path: bytes, file: IO[bytes], limits: Limits) -> Picture:
    name, exif, kind = os.fsdecode(path), None, ""
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    Image.MAX_IMAGE_PIXELS = limits.megapixels * 1_000_000
    head = file.read(HEAD)
    known = sniff(head)
    if known in (None, "TIFF"):
        exif, picture = raw_files.preview(path, file)
        if picture is not None:
            kind, file = "RAW", picture
            known = sniff(file.read(HEAD))
    file.seek(0)
    if known is None:
        raise foreign(name, head)
    prepare(known, name)
    if known == "PNG":
        file = png.essential(file)
    try:
        image: Image.Image = Image.open(file, formats=(known,))
    except UnidentifiedImageError as error:
        raise _damaged(name, error, limits) from None
    with image:
        if image.width * image.height > limits.megapixels * 1_000_000:
            raise _too_many_pixels(name, f"{image.width} x {image.height}", limits)
        size = image.size  # before a JPEG is reduced while it is loaded
        if known != "PNG":
            exif = exif or _exif(image)
        shown, share = _loaded(name, image, file, known, limits)
        exif = exif or _exif(shown)  # of a PNG, where it may follow the pixels
        tags = _directory(exif)
        orientation = 1 if turns_itself(image) else turned(tags.get(ORIENTATION))
        told = facts(
            kind or image.format or known,
            upright_size(size, orientation),
            tags,
            _directory(exif, 0x8769),
            _directory(exif, 0x8825),
        )
        shown = _rgb(_reduced(shown, limits.side))
        if orientation in _TURN:
            shown = shown.transpose(_TURN[orientation])
        return Picture(replace(told, truncated=share < 1), *shown.size, shown.tobytes(), _look(shown))


def _loaded(
    name: str, image: Image.Image, file: IO[bytes], known: str, limits: Limits
) -> tuple[Image.Image, float]:
    """The picture decoded, and how much of it is there; refused if that is too little to be described."""
    try:
        if not truncated.lacks_its_end(file, known):
            _load(image, limits.side)
            return image, 1.0
        problem: Exception = EOFError("its end is missing")
    except Exception as error:
        if known not in truncated.FORMATS or isinstance(error, MemoryError) or "memory" in str(error).lower():
            raise
        problem = error
    ImageFile.LOAD_TRUNCATED_IMAGES = True
    try:
        again, data = truncated.reopened(file, known)
        _load(again, limits.side)
    except Exception:
        raise problem from None
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = False
    share = truncated.share(again, known, data)
    if share < truncated.ENOUGH:
        there = f"only {share:.0%} of its rows are there" if share else "too little of it is there"
        raise PhotoError(
            f"{name} is damaged or cut short: {there}", "Copy it again from where it came.", transient=True
        )
    # A JPEG that was refused at first lacks something, though it be its last line.
    return again, min(share, 0.999) if known == "JPEG" else share


def _look(upright: Image.Image) -> bytes:
    small = upright.resize((GRID, GRID), Image.Resampling.BILINEAR, reducing_gap=2.0)
    return signature(small.convert("L").tobytes())


def _exif(image: Image.Image) -> Image.Exif:
    try:
        return image.getexif()
    except Exception:  # garbage for EXIF: whatever the parser stumbled over, the picture may be fine
        return Image.Exif()


def _directory(exif: Image.Exif, tag: int | None = None) -> Tags:
    """The main directory, or the one that `tag` points to; values are parsed when they are asked for."""
    try:
        return dict(exif) if tag is None else exif.get_ifd(tag)
    except Exception:  # as above
        return {}


def _load(image: Image.Image, side: int) -> None:
    """Decode; a JPEG to a half, a quarter or an eighth, if that leaves what the models look at."""
    long, short = max(image.size), min(image.size)
    image.draft(None, _scaled(image.size, min(1.0, DRAFT_SHORT_SIDE / short, side / long)))
    image.load()


def _reduced(image: Image.Image, side: int) -> Image.Image:
    """A decoded picture, its long side at most `side`; a smaller one untouched."""
    image = _resizable(image)
    if max(image.size) <= side:
        return image
    size = _scaled(image.size, side / max(image.size))
    return image.resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0)


def _scaled(size: tuple[int, int], by: float) -> tuple[int, int]:
    return max(1, round(size[0] * by)), max(1, round(size[1] * by))


def _resizable(image: Image.Image) -> Image.Image:
    """Palettes and deep samples turned into modes that can be averaged."""
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


def _rgb(image: Image.Image) -> Image.Image:
    """Any mode as RGB, what is transparent over white."""
    if image.mode not in _ALPHA:
        return image.convert("RGB")
    image = image.convert("RGBA")
    paper = Image.new("RGB", image.size, "white")
    paper.paste(image, mask=image.getchannel("A"))
    return paper


def _damaged(name: str, error: Exception, limits: Limits) -> PhotoError:
    said = printable(str(error)) or type(error).__name__
    if "memory" in said.lower():  # how C decoders tell of a failed allocation
        return _too_large(name, limits)
    if "unsupported" in said.lower():
        return PhotoError(
            f"{name} is of a kind that is not read: {said}", "Exclude it, or export it as JPEG."
        )
    if isinstance(error, UnidentifiedImageError):
        said = "its header cannot be read, or says what no decoder here knows"
    return PhotoError(f"{name} is damaged or cut short: {said}", "It is tried again.", transient=True)


def _too_large(name: str, limits: Limits) -> PhotoError:
    return PhotoError(
        f"{name} needs more than the {limits.memory_mb} MB that a decoder may use",
        "Raise decode_memory_mb in the configuration.",
    )


def _too_many_pixels(name: str, size: str, limits: Limits) -> PhotoError:
    return PhotoError(
        f"{name} has too many pixels ({size}, the limit is {limits.megapixels} million)",
        "Raise max_megapixels in the configuration.",
    )
