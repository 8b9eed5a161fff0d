"""Images for the screen, with damaged and hostile files in the thumbnail cache."""

from __future__ import annotations

import hashlib
import os
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from faulty_disk import faulty_disk
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from imgret import disk_calls, thumbnails
from imgret.errors import PhotoError
from imgret.terminal.probe import Capabilities, Graphics
from imgret_tui.cell_image import ImageRequest
from imgret_tui.image_loader import ImageLoader
from imgret_tui.terminal_images import TerminalImages


@pytest.fixture
def photo(tmp_path: Path) -> bytes:
    """A red photo."""
    path = tmp_path / "red.jpg"
    Image.new("RGB", (600, 300), (250, 0, 0)).save(path)
    os.utime(path, (1_600_000_000, 1_600_000_000))
    return os.fsencode(path)


@pytest.fixture
def cached(photo: bytes, private_places: Path) -> Path:
    name = hashlib.md5(thumbnails.uri(photo).encode()).hexdigest() + ".png"
    folder = private_places / "cache/thumbnails/large"
    folder.mkdir(parents=True)
    return folder / name


@pytest.fixture
def loader() -> Iterator[ImageLoader]:
    loader = ImageLoader()
    yield loader
    loader.close()


def thumbnail_png(photo: bytes, colour: str) -> bytes:
    import io

    texts = PngInfo()
    texts.add_text("Thumb::URI", thumbnails.uri(photo))
    texts.add_text("Thumb::MTime", "1600000000")
    file = io.BytesIO()
    Image.new("RGB", (256, 128), colour).save(file, "PNG", pnginfo=texts)
    return file.getvalue()


def is_red(pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> bool:
    return bool(pixels[0, 0, 0] > 200 > 50 > pixels[0, 0, 2])


def test_a_file_managers_thumbnail_is_shown(loader: ImageLoader, photo: bytes, cached: Path) -> None:
    cached.write_bytes(thumbnail_png(photo, "blue"))
    pixels = loader.thumbnail(photo, 200)
    assert pixels.shape == (128, 256, 3)
    assert pixels[0, 0].tolist() == [0, 0, 255]


def test_a_damaged_thumbnail_is_replaced(loader: ImageLoader, photo: bytes, cached: Path) -> None:
    whole = thumbnail_png(photo, "blue")
    data = whole.index(b"IDAT") + 4
    damaged = whole[:data] + b"\xff" * 8 + whole[data + 8 :]
    # Its header has 256 x 128; the stream inside holds 200 MB of zeros, or a second header of 30000 x 30000.
    bomb = zlib.compress(bytes(200 << 20), 9)
    idat = len(bomb).to_bytes(4, "big") + b"IDAT" + bomb + zlib.crc32(b"IDAT" + bomb).to_bytes(4, "big")
    flooded = whole[: data - 8] + idat + whole[-12:]
    again = bytearray(whole[8:33])
    again[8:16] = (30_000).to_bytes(4, "big") * 2
    again[21:25] = zlib.crc32(again[4:21]).to_bytes(4, "big")
    two_headers = whole[:33] + bytes(again) + whole[33:]
    for name, crafted in (("damaged", damaged), ("flooded", flooded), ("two headers", two_headers)):
        cached.write_bytes(crafted)
        began = time.monotonic()
        pixels = loader.thumbnail(photo, 200)
        assert time.monotonic() - began < 30
        assert pixels.shape == (128, 256, 3)
        if name != "flooded":  # a decoder may stop reading once it has all rows
            assert is_red(pixels), name
            assert is_red(loader.preview(os.fsencode(cached)))  # it was replaced


def test_a_pipe_in_the_cache_does_not_block(loader: ImageLoader, photo: bytes, cached: Path) -> None:
    os.mkfifo(cached)
    assert is_red(loader.thumbnail(photo, 200))
    assert cached.is_file()


def test_without_a_usable_cache_the_photo_itself_is_decoded(
    loader: ImageLoader, photo: bytes, cached: Path
) -> None:
    cached.mkdir()
    assert is_red(loader.thumbnail(photo, 200))


def test_a_photo_that_cannot_be_shown_is_decoded_once(
    loader: ImageLoader, tmp_path: Path, private_places: Path
) -> None:
    (tmp_path / "broken.jpg").write_text("not a picture")
    for _ in range(2):
        with pytest.raises(PhotoError, match="cannot be decoded"):
            loader.thumbnail(os.fsencode(tmp_path / "broken.jpg"), 200)


def test_a_disk_that_does_not_respond_blocks_no_other_image(
    photo: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not os.path.exists("/dev/fuse") or os.geteuid():
        pytest.skip("a FUSE file system needs root and /dev/fuse")
    monkeypatch.setattr(disk_calls, "SILENCE_SECONDS", 0.3)
    source, mount = tmp_path / "source", tmp_path / "mount"
    for folder in (source, mount):
        (folder / "stuck").mkdir(parents=True)
    requests = [ImageRequest(bytes(mount / "stuck" / f"{number}.jpg"), 8, 4) for number in range(4)]
    requests.append(ImageRequest(photo, 8, 4))
    all_loaded, loaded, crashes = threading.Event(), list[bytes](), list[Exception]()

    def on_loaded(path: bytes) -> None:
        loaded.append(path)
        if len(loaded) == len(requests):
            all_loaded.set()

    with faulty_disk(str(source), str(mount), hang_stat="stuck"):
        blocks = Capabilities(Graphics.BLOCKS)
        images = TerminalImages(
            blocks, ImageLoader(), lambda _: None, on_loaded, lambda _: None, crashes.append
        )
        images.request_thumbnails(requests)
        try:
            assert all_loaded.wait(60), (loaded, crashes)
            images.send_loaded()
            found = [images.get(request) for request in requests]
        finally:
            images.close()
    assert not crashes
    reasons = [image.reason for image in found if image is not None]
    assert [bool(reason and "does not respond" in reason) for reason in reasons] == [True] * 4 + [False]
