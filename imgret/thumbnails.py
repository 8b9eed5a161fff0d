"""Read and write the desktop's thumbnail cache (freedesktop Thumbnail Managing Standard 0.9.0).

The cache is shared with file managers. This module decodes no images: pixels come from a `DecodePool`, and a
lookup reads only the header and the text chunks of the PNG. Any program of the user can write into the cache, so
thumbnails are trusted no more than photos.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import struct
import tempfile
from collections.abc import Mapping
from concurrent.futures import Future
from enum import IntEnum
from typing import TYPE_CHECKING, Protocol
from urllib.parse import quote

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_LARGEST_FILE = 8 << 20  # bytes: 1024 x 1024 pixels of four bytes, twice over
# Do not block on a FIFO, do not acquire a controlling terminal, do not follow a symlink.
_OPEN_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_NOFOLLOW | os.O_CLOEXEC
_LONGEST_TEXT = 1 << 16  # bytes; longer text chunks are skipped
_MOST_CHUNKS = 1000
# Not percent-encoded by GLib (g_filename_to_uri). Both must write the same URI to share the cache.
_UNQUOTED = "/!$&'()*+,-.:=@_~"
_FAILED = "imgret-1"  # the folder below `fail` where imgret records its failures; each program has its own


class Size(IntEnum):
    """The sizes of the standard: the length of the longer side in pixels."""

    NORMAL = 128
    LARGE = 256
    X_LARGE = 512
    XX_LARGE = 1024

    @property
    def folder(self) -> str:
        """Return the name of the folder for this size in the cache."""
        return {128: "normal", 256: "large", 512: "x-large", 1024: "xx-large"}[self]


class DecodedImage(Protocol):
    """A decoded image; `decode.decoder_handle.Decoded` is one."""

    @property
    def pixels(self) -> NDArray[np.uint8]:
        """RGB values of shape (height, width, 3), after the EXIF orientation was applied."""
        ...


class Decoder(Protocol):
    """Decodes files outside this process; `decode.pool.DecodePool` is one."""

    def submit(self, path: bytes) -> Future[DecodedImage]:
        """Start to decode the file at `path`. The future raises PhotoError if it cannot be decoded."""
        ...


def cache_folder(environ: Mapping[str, str] = os.environ) -> bytes:
    """Return the folder of all thumbnails: `$XDG_CACHE_HOME/thumbnails`."""
    base = environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(base):
        base = os.path.join(environ.get("HOME") or os.path.expanduser("~"), ".cache")
    return os.fsencode(os.path.join(base, "thumbnails"))


def uri(path: bytes) -> str:
    """Return the file URI of an absolute path, as GLib writes it."""
    return "file://" + quote(path, safe=_UNQUOTED)


def find_thumbnail(path: bytes, size: Size, folder: bytes | None = None) -> bytes | None:
    """Return the path of a valid PNG thumbnail of the photo in the cache; None if there is none.

    `folder`: the cache, if it is not the user's default one.
    """
    cached = _cached_path(path, size.folder, folder)
    mtime = _mtime(path)
    return cached if mtime is not None and _is_valid(cached, path, mtime, size) else None


def is_failed(path: bytes, folder: bytes | None = None) -> bool:
    """Return whether imgret failed to create a thumbnail of the current version of the photo."""
    mtime = _mtime(path)
    return mtime is not None and _is_valid(_cached_path(path, f"fail/{_FAILED}", folder), path, mtime, 1)


def save_thumbnail(
    path: bytes, size: Size, pixels: NDArray[np.uint8], folder: bytes | None = None
) -> bytes | None:
    """Save a thumbnail of RGB `pixels` (height, width, 3) and return its path.

    Returns None if the photo does not exist, or is itself in the cache. Small images are not enlarged. Raises
    OSError if the cache cannot be written.
    """
    from PIL import Image

    mtime = _mtime(path)
    if mtime is None or path.startswith(os.path.join(folder or cache_folder(), b"")):
        return None
    image = Image.fromarray(pixels)
    image.thumbnail((size, size), reducing_gap=2.0)
    return _save(image, _cached_path(path, size.folder, folder), path, mtime)


def save_failure(path: bytes, folder: bytes | None = None) -> None:
    """Record that no thumbnail can be created of the current version of the photo. Raises OSError."""
    from PIL import Image

    mtime = _mtime(path)
    if mtime is not None:
        _save(Image.new("L", (1, 1)), _cached_path(path, f"fail/{_FAILED}", folder), path, mtime)


def get_or_create(
    path: bytes, size: Size, decoder: Decoder, folder: bytes | None = None, *, replace: bool = False
) -> bytes | None:
    """Return the path of a thumbnail, created now if there is none.

    Returns None if the photo cannot be decoded (which is recorded) or no longer exists. `replace`: create a new
    one even if one exists, because that was found to be damaged.

    Blocks until the photo is decoded, so call it on a worker thread. Raises OSError if the cache cannot be written.
    """
    from imgret.errors import PhotoError

    existing = None if replace else find_thumbnail(path, size, folder)
    if existing is not None or is_failed(path, folder):
        return existing
    before = _stat(path)
    try:
        decoded = decoder.submit(path).result()
    except PhotoError as error:
        if not error.transient:
            save_failure(path, folder)
        return None
    if before is None or _stat(path) != before:
        return None  # the file was replaced meanwhile
    return save_thumbnail(path, size, decoded.pixels, folder)


def _stat(path: bytes) -> tuple[int, ...] | None:
    try:
        s = os.stat(path)
    except OSError:
        return None
    return s.st_ino, s.st_size, s.st_mtime_ns, s.st_ctime_ns


def _cached_path(path: bytes, kind: str, folder: bytes | None) -> bytes:
    name = hashlib.md5(uri(path).encode(), usedforsecurity=False).hexdigest() + ".png"
    return os.path.join(folder or cache_folder(), os.fsencode(kind), os.fsencode(name))


def _mtime(path: bytes) -> int | None:
    """Return the modification time in whole seconds, as the standard requires; None if there is no file."""
    try:
        return int(os.stat(path).st_mtime)
    except OSError:
        return None


def _is_valid(cached: bytes, path: bytes, mtime: int, side: int) -> bool:
    texts = _texts(cached, side)
    return texts.get("Thumb::URI") == uri(path) and texts.get("Thumb::MTime", "").split(".")[0] == str(mtime)


def _texts(cached: bytes, side: int) -> dict[str, str]:
    """Return the tEXt chunks of a PNG of at most `side` x `side` pixels, {} for any other file.

    The pixels are not read.
    """
    texts: dict[str, str] = {}
    with contextlib.suppress(OSError, struct.error), open(os.open(cached, _OPEN_FLAGS), "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode) or status.st_size > _LARGEST_FILE:
            return texts
        if file.read(len(_SIGNATURE)) != _SIGNATURE:
            return texts
        length, kind, width, height = struct.unpack(">I4sII", file.read(16))
        if (length, kind) != (13, b"IHDR") or not (0 < width <= side and 0 < height <= side):
            return texts
        file.seek(length - 8 + 4, os.SEEK_CUR)  # the rest of the header, and its checksum
        for _ in range(_MOST_CHUNKS):
            length, kind = struct.unpack(">I4s", file.read(8))
            if kind == b"IEND":
                return texts
            if kind == b"tEXt" and length <= _LONGEST_TEXT:
                key, _, value = file.read(length).partition(b"\0")
                texts[key.decode("latin-1")] = value.decode("latin-1")
                file.seek(4, os.SEEK_CUR)
            else:
                file.seek(length + 4, os.SEEK_CUR)
    return {}  # the PNG is incomplete


def _save(image: Image.Image, cached: bytes, path: bytes, mtime: int) -> bytes:
    """Write the PNG under a temporary name and rename it, so that other programs never read a part of it."""
    from PIL.PngImagePlugin import PngInfo

    texts = PngInfo()
    texts.add_text("Thumb::URI", uri(path))
    texts.add_text("Thumb::MTime", str(mtime))
    texts.add_text("Software", "imgret")
    folder = os.path.dirname(cached)
    _private_folder(folder)
    fd, temporary = tempfile.mkstemp(dir=folder, prefix=b".imgret-")  # 0600
    try:
        with os.fdopen(fd, "wb") as file:
            image.save(file, "PNG", pnginfo=texts)
        os.replace(temporary, cached)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    return cached


def _private_folder(folder: bytes) -> None:
    """Create the folder and its parents, those that are missing with mode 0700, as the standard requires."""
    if not os.path.isdir(folder):
        _private_folder(os.path.dirname(folder))
        with contextlib.suppress(FileExistsError):
            os.mkdir(folder, 0o700)
