"""A photo file -> its facts and its upright RGB pixels, by Pillow. Runs in the decoder's process only.

The format is told by the first bytes, never by the name (raw files excepted), and only what is listed is
handed to a decoder. The size is checked before anything is decoded. Small photos come out exactly as
Pillow opens them; large ones are reduced so that their long side fits `side`.

A path may be renamed or written to at any moment. So the bytes are hashed through the descriptor that the
decoder reads, before and after it: what comes out belongs to the content that was asked for, or is refused.
"""

from __future__ import annotations

import mmap
import os
import stat
import struct
from io import BytesIO
from typing import IO

from blake3 import blake3
from msgspec import Struct
from PIL import Image, ImageFile, UnidentifiedImageError

from imgret.describe import raw
from imgret.describe.facts import ORIENTATION, Tags, facts, text, turned, upright_size
from imgret.describe.fingerprint import OPEN_FLAGS, not_a_file, unreadable
from imgret.describe.formats import prepare, sniff, turns_itself
from imgret.describe.perceptual import GRID, signature
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
    if raw.is_raw(path):
        kind, exif, file = "RAW", _raw_exif(file), _preview(name, file)
    head = file.read(32)
    file.seek(0)
    known = sniff(head)
    if known is None:
        raise PhotoError(f"{name} is not a picture of a known format", "Exclude it, or mend its name.")
    prepare(known, name)
    try:
        image: Image.Image = Image.open(file, formats=(known,))
    except UnidentifiedImageError as error:
        raise _damaged(name, error, limits) from None
    with image:
        if image.width * image.height > limits.megapixels * 1_000_000:
            raise _too_many_pixels(name, f"{image.width} x {image.height}", limits)
        exif = exif or _exif(image)
        tags = _directory(exif)
        orientation = 1 if turns_itself(image) else turned(tags.get(ORIENTATION))
        told = facts(
            kind or image.format or known,
            upright_size(image.size, orientation),
            tags,
            _directory(exif, 0x8769),
            _directory(exif, 0x8825),
        )
        shown = _rgb(_reduced(image, limits.side))
        if orientation in _TURN:
            shown = shown.transpose(_TURN[orientation])
        return Picture(told, *shown.size, shown.tobytes(), _look(shown))


def _look(upright: Image.Image) -> bytes:
    small = upright.resize((GRID, GRID), Image.Resampling.BILINEAR, reducing_gap=2.0)
    return signature(small.convert("L").tobytes())


def _exif(image: Image.Image) -> Image.Exif:
    if image.format == "PNG":  # its EXIF may follow the pixels
        image.load()  # raises here where the pixels are damaged: a second `load` would return them black
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


def _raw_exif(file: IO[bytes]) -> Image.Exif | None:
    """The EXIF of a raw file that is TIFF inside; of the others, the preview carries its own."""
    exif = Image.Exif()
    try:
        exif.load_from_fp(file)  # type: ignore[no-untyped-call,unused-ignore]
    except (OSError, SyntaxError, ValueError, KeyError, TypeError, struct.error):
        return None
    return exif


def _preview(name: str, file: IO[bytes]) -> IO[bytes]:
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        found = raw.largest_preview(data)
        if found is None:
            raise PhotoError(f"{name} is a raw file without a preview", "Exclude it, or export it as JPEG.")
        # A preview ends with its own marker; 64 MiB is beyond any of them.
        return BytesIO(data[found[0] : found[0] + (64 << 20)])


def _reduced(image: Image.Image, side: int) -> Image.Image:
    """The picture, its long side at most `side`; a smaller one untouched."""
    long, short = max(image.size), min(image.size)
    target = _scaled(image.size, min(1.0, DRAFT_SHORT_SIDE / short, side / long))
    image.draft(None, target)  # JPEG only: decodes to a half, a quarter or an eighth
    image.load()
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
    said = text(str(error)) or type(error).__name__
    if "memory" in said.lower():  # how C decoders tell of a failed allocation
        return _too_large(name, limits)
    if isinstance(error, UnidentifiedImageError):
        said = "its header cannot be read"
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
