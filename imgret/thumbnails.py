"""The desktop's thumbnail cache (freedesktop Thumbnail Managing Standard 0.9.0), read and written.

A thumbnail that a file manager has made is there at once, and ours serve the file manager. Nothing here
decodes a picture: pixels come from a `DecodePool`, and looking one up reads the PNG's header and text chunks only. Any
program of the user writes into the cache, so a thumbnail is as little trusted as a photo.
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
# Not blocked by a FIFO, never a terminal's child, and no link to somewhere else.
_OPEN_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_NOFOLLOW | os.O_CLOEXEC
_LONGEST_TEXT = 1 << 16  # bytes of a text chunk that we read
_MOST_CHUNKS = 1000
# What GLib leaves as it is in a path (g_filename_to_uri): both must spell the URI alike to share a cache.
_UNQUOTED = "/!$&'()*+,-.:=@_~"
_FAILED = "imgret-1"  # the folder of our failures; each program has its own


class Size(IntEnum):
    """The standard's sizes: the longest side in pixels."""

    NORMAL = 128
    LARGE = 256
    X_LARGE = 512
    XX_LARGE = 1024

    @property
    def folder(self) -> str:
        """Its name below the cache."""
        return {128: "normal", 256: "large", 512: "x-large", 1024: "xx-large"}[self]


class Picture(Protocol):
    """What a decoder gives: `decode.pool.Decoded` is one."""

    @property
    def pixels(self) -> NDArray[np.uint8]:
        """(height, width, 3), RGB, upright."""
        ...


class Decoder(Protocol):
    """Whatever decodes files out of this process: `decode.pool.DecodePool` is one."""

    def submit(self, path: bytes) -> Future[Picture]:
        """The picture, some time."""
        ...


def cache(environ: Mapping[str, str] = os.environ) -> bytes:
    """The folder of all thumbnails: `$XDG_CACHE_HOME/thumbnails`."""
    base = environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(base):
        base = os.path.join(environ.get("HOME") or os.path.expanduser("~"), ".cache")
    return os.fsencode(os.path.join(base, "thumbnails"))


def uri(path: bytes) -> str:
    """The file URI of an absolute path, as GLib writes it."""
    return "file://" + quote(path, safe=_UNQUOTED)


def thumbnail(path: bytes, size: Size, folder: bytes | None = None) -> bytes | None:
    """The path of a PNG in the cache that shows the photo as it is now; None if there is none.

    `folder`: the cache, where it is not the user's own.
    """
    place = _place(path, size.folder, folder)
    mtime = _mtime(path)
    return place if mtime is not None and _is_valid(place, path, mtime, size) else None


def failed(path: bytes, folder: bytes | None = None) -> bool:
    """Whether we tried to make a thumbnail of the photo as it is now, and could not."""
    mtime = _mtime(path)
    return mtime is not None and _is_valid(_place(path, f"fail/{_FAILED}", folder), path, mtime, 1)


def make(path: bytes, size: Size, pixels: NDArray[np.uint8], folder: bytes | None = None) -> bytes | None:
    """Save a thumbnail of RGB `pixels` (height, width, 3); its path, or None if the photo is gone.

    Never enlarges. Raises OSError if the cache cannot be written. A photo in the cache itself has none.
    """
    from PIL import Image

    mtime = _mtime(path)
    if mtime is None or path.startswith(os.path.join(folder or cache(), b"")):
        return None
    image = Image.fromarray(pixels)
    image.thumbnail((size, size), reducing_gap=2.0)
    return _save(image, _place(path, size.folder, folder), path, mtime)


def fail(path: bytes, folder: bytes | None = None) -> None:
    """Remember that no thumbnail can be made of the photo as it is now. Raises OSError."""
    from PIL import Image

    mtime = _mtime(path)
    if mtime is not None:
        _save(Image.new("L", (1, 1)), _place(path, f"fail/{_FAILED}", folder), path, mtime)


def obtain(
    path: bytes, size: Size, decoder: Decoder, folder: bytes | None = None, *, anew: bool = False
) -> bytes | None:
    """The thumbnail, made now if need be; None if the photo cannot be shown (remembered) or is gone.

    `anew`: make it even if there is one; the one that is there has turned out to be damaged.

    Waits for the decoder, so call it on a worker. Raises OSError if the cache cannot be written.
    """
    from imgret.errors import PhotoError

    ready = None if anew else thumbnail(path, size, folder)
    if ready is not None or failed(path, folder):
        return ready
    before = _stat(path)
    try:
        picture = decoder.submit(path).result()
    except PhotoError as error:
        if not error.transient:
            fail(path, folder)
        return None
    if before is None or _stat(path) != before:
        return None  # it may be of another file than the one that lies there now
    return make(path, size, picture.pixels, folder)


def _stat(path: bytes) -> tuple[int, ...] | None:
    try:
        s = os.stat(path)
    except OSError:
        return None
    return s.st_ino, s.st_size, s.st_mtime_ns, s.st_ctime_ns


def _place(path: bytes, kind: str, folder: bytes | None) -> bytes:
    name = hashlib.md5(uri(path).encode(), usedforsecurity=False).hexdigest() + ".png"
    return os.path.join(folder or cache(), os.fsencode(kind), os.fsencode(name))


def _mtime(path: bytes) -> int | None:
    """Whole seconds, as the standard wants them."""
    try:
        return int(os.stat(path).st_mtime)
    except OSError:
        return None


def _is_valid(place: bytes, path: bytes, mtime: int, side: int) -> bool:
    texts = _texts(place, side)
    return texts.get("Thumb::URI") == uri(path) and texts.get("Thumb::MTime", "").split(".")[0] == str(mtime)


def _texts(place: bytes, side: int) -> dict[str, str]:
    """The tEXt chunks of a PNG of at most `side` x `side` pixels; {} of anything else. Pixels are passed over, not read."""
    texts: dict[str, str] = {}
    with contextlib.suppress(OSError, struct.error), open(os.open(place, _OPEN_FLAGS), "rb") as file:
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
    return {}  # without its end the PNG is half of one


def _save(image: Image.Image, place: bytes, path: bytes, mtime: int) -> bytes:
    """Write the PNG beside its place and rename it there, so that nobody meets half of it."""
    from PIL.PngImagePlugin import PngInfo

    texts = PngInfo()
    texts.add_text("Thumb::URI", uri(path))
    texts.add_text("Thumb::MTime", str(mtime))
    texts.add_text("Software", "imgret")
    folder = os.path.dirname(place)
    _private_folder(folder)
    fd, temporary = tempfile.mkstemp(dir=folder, prefix=b".imgret-")  # 0600
    try:
        with os.fdopen(fd, "wb") as file:
            image.save(file, "PNG", pnginfo=texts)
        os.replace(temporary, place)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    return place


def _private_folder(folder: bytes) -> None:
    """Make the folder and those above it; the ones made are 0700, as the standard wants."""
    if not os.path.isdir(folder):
        _private_folder(os.path.dirname(folder))
        with contextlib.suppress(FileExistsError):
            os.mkdir(folder, 0o700)
