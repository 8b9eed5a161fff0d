"""Decode a photo file to facts and upright RGB pixels with Pillow. Runs in decoder processes only.

The first bytes decide the format, never the name alone, and only listed formats reach a decoder. The size is
checked before decoding. Small photos are returned exactly as Pillow opens them; large ones are reduced until their
long side is at most `side`.

The file may be renamed or overwritten at any moment. So its bytes are hashed through the descriptor that the
decoder reads, before and after decoding: the pixels belong to the requested content, or an error is raised.
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
from imgret.decode.decode_request import DecodeRequest
from imgret.decode.exif import ORIENTATION, Tags, facts, printable, upright_size, valid_orientation
from imgret.decode.formats import applies_orientation, prepare, sniff, unsupported_format
from imgret.decode.hashing import OPEN_FLAGS, not_a_file, unreadable
from imgret.decode.perceptual import FINE_GRID, GRID, look
from imgret.decode.read_metadata import read_metadata
from imgret.decode.resize import load_reduced, reduced, to_rgb
from imgret.decode.too_large import too_many_pixels, too_much_memory
from imgret.errors import FileChanged, PhotoError
from imgret.photo import Facts, Metadata

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
HEAD = 64  # bytes needed to recognise a format


class Limits(Struct, frozen=True):
    """Limits for decoding one file."""

    megapixels: int
    memory_mb: int
    side: int  # pixels


class DecodedImage(Struct, frozen=True):
    """A decoded file. Without pixels, if only the metadata was requested."""

    facts: Facts
    metadata: Metadata
    width: int = 0  # pixels, upright, as reduced
    height: int = 0
    pixels: bytes = b""  # RGB, row by row
    signature: bytes = b""  # `perceptual.look`


def read(request: DecodeRequest, limits: Limits) -> DecodedImage:
    """Decode a file. Every failure is raised as PhotoError.

    Raises FileChanged when the file has other bytes than the expected ones, or does not exist although some are expected.
    """
    path, expected = request.path, request.expected
    name = os.fsdecode(path)
    try:
        fd = os.open(path, OPEN_FLAGS)
        mode = os.fstat(fd).st_mode
        if not stat.S_ISREG(mode):
            os.close(fd)
            raise _missing(not_a_file(path, mode), expected)
        with os.fdopen(fd, "rb") as file:
            return _unchanged(file, limits, request)
    except PhotoError:
        raise
    except MemoryError:
        raise too_much_memory(name, limits.memory_mb) from None
    except Image.DecompressionBombError:
        raise too_many_pixels(name, f"more than {2 * limits.megapixels} million", limits.megapixels) from None
    except (FileNotFoundError, NotADirectoryError) as error:
        raise _missing(unreadable(path, error), expected) from None
    except OSError as error:
        if error.errno is not None:
            raise unreadable(path, error) from None
        raise _damaged(name, error, limits) from None
    except Exception as error:  # a decoder may raise any exception on a damaged file
        raise _damaged(name, error, limits) from None


def _unchanged(file: IO[bytes], limits: Limits, request: DecodeRequest) -> DecodedImage:
    """Decode an open file. Raises FileChanged, before any decoder error, when its bytes are not the expected ones."""
    path, expected = request.path, request.expected
    before = _hash(file.fileno())
    if expected not in (None, before):
        raise FileChanged(f"{os.fsdecode(path)} was replaced by another file", transient=True)
    if before == blake3().digest():
        raise PhotoError(f"{os.fsdecode(path)} is empty", transient=True)
    try:
        return _decoded(file, limits, request)
    finally:
        if _hash(file.fileno()) != before:
            raise FileChanged(f"{os.fsdecode(path)} changed while it was read", transient=True)


def _missing(error: PhotoError, expected: bytes | None) -> PhotoError:
    """Return the error for a path without a regular file: FileChanged if a certain file was expected there."""
    return error if expected is None else FileChanged(str(error), transient=True)


def _hash(fd: int) -> bytes:
    """Return the BLAKE3 of all bytes of an open file, without moving its position."""
    hasher, at = blake3(), 0
    while block := os.pread(fd, _READ, at):
        hasher.update(block)
        at += len(block)
    return hasher.digest()


def _decoded(whole: IO[bytes], limits: Limits, request: DecodeRequest) -> DecodedImage:
    path, file = request.path, whole
    name, exif, kind = os.fsdecode(path), None, ""
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    Image.MAX_IMAGE_PIXELS = limits.megapixels * 1_000_000
    head = file.read(HEAD)
    known = sniff(head)
    if known in (None, "TIFF"):
        exif, preview = raw_files.preview(path, file)
        if preview is not None:
            kind, file = "RAW", preview
            known = sniff(file.read(HEAD))
    file.seek(0)
    if known is None:
        raise unsupported_format(name, head)
    prepare(known, name)
    if known == "PNG":
        file = png.without_ancillary_chunks(file)
    try:
        image: Image.Image = Image.open(file, formats=(known,))
    except UnidentifiedImageError as error:
        raise _damaged(name, error, limits) from None
    with image:
        if image.width * image.height > limits.megapixels * 1_000_000:
            raise too_many_pixels(name, f"{image.width} x {image.height}", limits.megapixels)
        size = image.size  # read now: loading a JPEG may reduce it
        if known != "PNG":
            exif = exif or _exif(image)
        shown, share = _loaded(name, image, file, known, limits) if request.with_pixels else (image, 1.0)
        exif = exif or _exif(shown)  # for a PNG, where it may follow the pixels
        tags, photo, gps = _directory(exif), _directory(exif, 0x8769), _directory(exif, 0x8825)
        metadata = read_metadata(path, whole, image, (tags, photo, gps), request.sidecars)
        orientation = 1 if applies_orientation(image) else valid_orientation(tags.get(ORIENTATION))
        found = facts(kind or image.format or known, upright_size(size, orientation), tags, photo, gps)
        if not request.with_pixels:
            return DecodedImage(found, metadata)
        shown = to_rgb(reduced(shown, limits.side))
        if orientation in _TURN:
            shown = shown.transpose(_TURN[orientation])
        found = replace(found, truncated=share < 1)
        return DecodedImage(found, metadata, *shown.size, shown.tobytes(), _look(shown))


def _loaded(
    name: str, image: Image.Image, file: IO[bytes], known: str, limits: Limits
) -> tuple[Image.Image, float]:
    """Return the decoded image and the share of it that was decoded, 0 to 1. Raises PhotoError if that is too little."""
    try:
        if not truncated.is_end_missing(file, known):
            load_reduced(image, limits.side)
            return image, 1.0
        problem: Exception = EOFError("its end is missing")
    except Exception as error:
        if known not in truncated.FORMATS or isinstance(error, MemoryError) or "memory" in str(error).lower():
            raise
        problem = error
    ImageFile.LOAD_TRUNCATED_IMAGES = True
    try:
        again, data = truncated.reopen(file, known)
        load_reduced(again, limits.side)
    except Exception:
        raise problem from None
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = False
    share = truncated.decoded_share(again, known, data)
    if share < truncated.MIN_SHARE:
        there = (
            f"only {share:.0%} of its rows could be decoded" if share else "too little of it could be decoded"
        )
        raise PhotoError(
            f"{name} is damaged or cut short: {there}", "Copy it again from its source.", transient=True
        )
    # A JPEG that failed to load at first is incomplete, even if all its rows were decoded.
    return again, min(share, 0.999) if known == "JPEG" else share


def _look(upright: Image.Image) -> bytes:
    coarse, fine = (
        upright.resize((side, side), Image.Resampling.BILINEAR, reducing_gap=2.0)
        for side in (GRID, FINE_GRID)
    )
    return look(coarse.convert("L").tobytes(), fine.convert("L").tobytes(), coarse.convert("RGB").tobytes())


def _exif(image: Image.Image) -> Image.Exif:
    try:
        return image.getexif()
    except Exception:  # invalid EXIF; the image itself may be valid
        return Image.Exif()


def _directory(exif: Image.Exif, tag: int | None = None) -> Tags:
    """Return the main directory, or the one that `tag` points to; empty if it cannot be parsed."""
    try:
        return dict(exif) if tag is None else exif.get_ifd(tag)
    except Exception:  # as above
        return {}


def _damaged(name: str, error: Exception, limits: Limits) -> PhotoError:
    reason = printable(str(error)) or type(error).__name__
    if "memory" in reason.lower():  # C decoders report a failed allocation with this word
        return too_much_memory(name, limits.memory_mb)
    if "unsupported" in reason.lower():
        return PhotoError(
            f"{name} uses a variant of its format that is not supported: {reason}",
            "Exclude it, or export it as JPEG.",
        )
    if isinstance(error, UnidentifiedImageError):
        reason = "its header cannot be read, or no installed decoder supports it"
    return PhotoError(f"{name} is damaged or cut short: {reason}", transient=True)
