"""The shared thumbnail cache, compared with the freedesktop standard."""

from __future__ import annotations

import hashlib
import os
import stat
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from imgret import thumbnails
from imgret.decode.pool import DecodePool
from imgret.thumbnails import Size


@pytest.fixture
def photo(tmp_path: Path) -> bytes:
    path = tmp_path / "a photo.jpg"
    Image.linear_gradient("L").resize((400, 200)).convert("RGB").save(path)
    os.utime(path, (1_600_000_000, 1_600_000_000.75))
    return os.fsencode(path)


def pixels(photo: bytes) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    with Image.open(os.fsdecode(photo)) as image:
        return np.asarray(image.convert("RGB"))


def test_the_example_of_the_standard() -> None:
    """Section 'Thumbnail creation' hashes this URI."""
    assert thumbnails.uri(b"/home/jens/photos/me.png") == "file:///home/jens/photos/me.png"
    name = hashlib.md5(b"file:///home/jens/photos/me.png").hexdigest()
    assert name == "c6ee772d9e49320e97ec29a7eb5b1697"


@pytest.mark.parametrize(
    ("path", "uri"),
    [
        (b"/a b/c#d?.jpg", "file:///a%20b/c%23d%3F.jpg"),
        (b"/!$&'()*+,-.:=@_~", "file:///!$&'()*+,-.:=@_~"),
        (b'/;<>[\\]^`{|}"%', "file:///%3B%3C%3E%5B%5C%5D%5E%60%7B%7C%7D%22%25"),
        (b"/\xff\n\x1b", "file:///%FF%0A%1B"),
        ("/漢".encode(), "file:///%E6%BC%A2"),
    ],
)
def test_uris_equal_those_of_glib(path: bytes, uri: str) -> None:
    assert thumbnails.uri(path) == uri


@given(st.binary())
def test_uris_are_ascii_and_reversible(path: bytes) -> None:
    from urllib.parse import unquote_to_bytes

    assert unquote_to_bytes(thumbnails.uri(path).removeprefix("file://")) == path
    assert thumbnails.uri(path).isascii()


def test_saved_found_and_outdated(photo: bytes, private_places: Path) -> None:
    assert thumbnails.find_thumbnail(photo, Size.LARGE) is None
    made = thumbnails.save_thumbnail(photo, Size.LARGE, pixels(photo))
    assert made is not None
    name = hashlib.md5(thumbnails.uri(photo).encode()).hexdigest() + ".png"
    assert made == os.fsencode(private_places / "cache/thumbnails/large" / name)
    assert stat.S_IMODE(os.stat(made).st_mode) == 0o600
    for folder in (os.path.dirname(made), os.path.dirname(os.path.dirname(made))):
        assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700
        assert not [entry for entry in os.listdir(folder) if entry.startswith(b".")]
    with Image.open(os.fsdecode(made)) as image:
        assert image.size == (256, 128)
        assert image.info["Thumb::URI"] == thumbnails.uri(photo)
        assert image.info["Thumb::MTime"] == "1600000000"
    assert thumbnails.find_thumbnail(photo, Size.LARGE) == made
    assert thumbnails.find_thumbnail(photo, Size.NORMAL) is None
    os.utime(photo, (1_600_000_001, 1_600_000_001))
    assert thumbnails.find_thumbnail(photo, Size.LARGE) is None
    os.unlink(photo)
    assert thumbnails.find_thumbnail(photo, Size.LARGE) is None
    assert thumbnails.save_thumbnail(photo, Size.LARGE, pixels(made)) is None


def test_a_thumbnail_of_a_file_manager_is_used(photo: bytes, private_places: Path) -> None:
    texts = PngInfo()
    texts.add_text("Software", "GNOME::ThumbnailFactory")
    texts.add_text("Thumb::URI", thumbnails.uri(photo))
    texts.add_text("Thumb::MTime", "1600000000")
    folder = private_places / "cache/thumbnails/x-large"
    folder.mkdir(parents=True)
    place = folder / (hashlib.md5(thumbnails.uri(photo).encode()).hexdigest() + ".png")
    Image.new("RGBA", (512, 256)).save(place, pnginfo=texts)
    assert thumbnails.find_thumbnail(photo, Size.X_LARGE) == os.fsencode(place)
    whole = place.read_bytes()
    for damaged in (whole[: len(whole) // 2], b"", b"no PNG", whole[:8] + b"\xff" * 40):
        place.write_bytes(damaged)
        assert thumbnails.find_thumbnail(photo, Size.X_LARGE) is None


@given(data=st.binary(max_size=200))
def test_any_bytes_in_the_cache_are_handled(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    home = tmp_path_factory.mktemp("cache")
    file = home / "a.jpg"
    file.write_bytes(b"")
    cache = os.fsencode(home / "thumbnails")
    (home / "thumbnails/normal").mkdir(parents=True)
    name = hashlib.md5(thumbnails.uri(os.fsencode(file)).encode()).hexdigest() + ".png"
    (home / "thumbnails/normal" / name).write_bytes(b"\x89PNG\r\n\x1a\n" + data)
    assert thumbnails.find_thumbnail(os.fsencode(file), Size.NORMAL, cache) is None


def test_small_photos_are_not_enlarged(photo: bytes) -> None:
    made = thumbnails.save_thumbnail(photo, Size.XX_LARGE, pixels(photo))
    assert made is not None
    with Image.open(os.fsdecode(made)) as image:
        assert image.size == (400, 200)


def test_thumbnails_have_no_thumbnails(photo: bytes) -> None:
    made = thumbnails.save_thumbnail(photo, Size.NORMAL, pixels(photo))
    assert made is not None
    assert thumbnails.save_thumbnail(made, Size.NORMAL, pixels(made)) is None


def test_created_by_the_decoder_and_failures_recorded(photo: bytes, tmp_path: Path) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_text("not a picture")
    cut = tmp_path / "cut.jpg"
    cut.write_bytes(Path(os.fsdecode(photo)).read_bytes()[:600])
    with DecodePool(1) as pool:
        made = thumbnails.get_or_create(photo, Size.NORMAL, pool)
        assert made is not None
        assert thumbnails.get_or_create(os.fsencode(broken), Size.NORMAL, pool) is None
        assert thumbnails.get_or_create(os.fsencode(cut), Size.NORMAL, pool) is None
    assert thumbnails.is_failed(os.fsencode(broken))
    assert not thumbnails.is_failed(os.fsencode(cut))  # the file may still be incomplete
    # The pool is closed: cached thumbnails and failures need no decoder.
    assert thumbnails.get_or_create(photo, Size.NORMAL, pool) == made
    assert thumbnails.get_or_create(os.fsencode(broken), Size.NORMAL, pool) is None
    os.utime(broken, (1_600_000_000, 1_600_000_000))
    assert not thumbnails.is_failed(os.fsencode(broken))


def test_a_cache_that_cannot_be_written_is_an_os_error(photo: bytes, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OSError, match="directory"):
        thumbnails.save_thumbnail(photo, Size.NORMAL, pixels(photo), os.fsencode(tmp_path / "file"))


def crafted(photo: bytes, private_places: Path, size: Size = Size.LARGE) -> Path:
    """Return the path of a photo's thumbnail; its folder is created."""
    name = hashlib.md5(thumbnails.uri(photo).encode()).hexdigest() + ".png"
    place = private_places / "cache/thumbnails" / size.folder / name
    place.parent.mkdir(parents=True, exist_ok=True)
    return place


def claiming(photo: bytes, width: int, height: int, pixels: bytes = b"") -> bytes:
    """Return a PNG with the metadata of the photo's thumbnail, of any size and content."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    texts = [("Thumb::URI", thumbnails.uri(photo)), ("Thumb::MTime", "1600000000")]
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
            *(chunk(b"tEXt", f"{key}\0{value}".encode()) for key, value in texts),
            chunk(b"IDAT", pixels or zlib.compress(bytes((3 * width + 1) * height))),
            chunk(b"IEND", b""),
        )
    )


def test_only_a_small_regular_png_of_the_right_size_is_used(photo: bytes, private_places: Path) -> None:
    place = crafted(photo, private_places)
    place.write_bytes(claiming(photo, 256, 128))
    assert thumbnails.find_thumbnail(photo, Size.LARGE) == os.fsencode(place)
    for width, height in ((257, 1), (1, 257), (30_000, 30_000), (0, 1), (2**31 - 1, 2**31 - 1)):
        place.write_bytes(claiming(photo, width, height, b"x"))
        assert thumbnails.find_thumbnail(photo, Size.LARGE) is None
    other = place.with_name("other.png")
    other.write_bytes(claiming(photo, 256, 128))
    place.unlink()
    place.symlink_to(other)
    assert thumbnails.find_thumbnail(photo, Size.LARGE) is None
    place.unlink()
    os.mkfifo(place)
    assert thumbnails.find_thumbnail(photo, Size.LARGE) is None
    place.unlink()
    place.mkdir()
    assert thumbnails.find_thumbnail(photo, Size.LARGE) is None
    place.rmdir()
    place.write_bytes(claiming(photo, 256, 128) + bytes(9 << 20))
    assert thumbnails.find_thumbnail(photo, Size.LARGE) is None


def test_an_invalid_file_at_the_path_of_a_thumbnail_is_replaced(
    photo: bytes, private_places: Path, tmp_path: Path
) -> None:
    place = crafted(photo, private_places)
    (tmp_path / "mine").write_bytes(b"not to be touched")
    for put in (lambda: os.mkfifo(place), lambda: place.symlink_to(tmp_path / "mine")):
        place.unlink(missing_ok=True)
        put()
        assert thumbnails.save_thumbnail(photo, Size.LARGE, pixels(photo)) == os.fsencode(place)
        assert stat.S_ISREG(place.lstat().st_mode)
    assert (tmp_path / "mine").read_bytes() == b"not to be touched"
