"""Pictures for the screen: a crafted thumbnail costs itself, not the picker."""

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
from imgret_tui.loading import Loader
from imgret_tui.pictures import Pictures
from imgret_tui.shown import Wanted


@pytest.fixture
def photo(tmp_path: Path) -> bytes:
    """A red photo."""
    path = tmp_path / "red.jpg"
    Image.new("RGB", (600, 300), (250, 0, 0)).save(path)
    os.utime(path, (1_600_000_000, 1_600_000_000))
    return os.fsencode(path)


@pytest.fixture
def place(photo: bytes, private_places: Path) -> Path:
    name = hashlib.md5(thumbnails.uri(photo).encode()).hexdigest() + ".png"
    folder = private_places / "cache/thumbnails/large"
    folder.mkdir(parents=True)
    return folder / name


@pytest.fixture
def loader() -> Iterator[Loader]:
    loader = Loader()
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


def test_a_file_managers_thumbnail_is_shown(loader: Loader, photo: bytes, place: Path) -> None:
    place.write_bytes(thumbnail_png(photo, "blue"))
    pixels = loader.thumbnail(photo, 200)
    assert pixels.shape == (128, 256, 3)
    assert pixels[0, 0].tolist() == [0, 0, 255]


def test_a_crafted_thumbnail_is_made_again_from_the_photo(loader: Loader, photo: bytes, place: Path) -> None:
    whole = thumbnail_png(photo, "blue")
    data = whole.index(b"IDAT") + 4
    damaged = whole[:data] + b"\xff" * 8 + whole[data + 8 :]
    # Its header says 256 x 128; the stream inside holds 200 MB of zeros, or a second header of 30000 x 30000.
    bomb = zlib.compress(bytes(200 << 20), 9)
    idat = len(bomb).to_bytes(4, "big") + b"IDAT" + bomb + zlib.crc32(b"IDAT" + bomb).to_bytes(4, "big")
    flooded = whole[: data - 8] + idat + whole[-12:]
    again = bytearray(whole[8:33])
    again[8:16] = (30_000).to_bytes(4, "big") * 2
    again[21:25] = zlib.crc32(again[4:21]).to_bytes(4, "big")
    two_headers = whole[:33] + bytes(again) + whole[33:]
    for name, crafted in (("damaged", damaged), ("flooded", flooded), ("two headers", two_headers)):
        place.write_bytes(crafted)
        began = time.monotonic()
        pixels = loader.thumbnail(photo, 200)
        assert time.monotonic() - began < 30
        assert pixels.shape == (128, 256, 3)
        if name != "flooded":  # a decoder may stop reading once it has all rows
            assert is_red(pixels), name
            assert is_red(loader.preview(os.fsencode(place)))  # it was replaced


def test_a_pipe_in_the_cache_is_not_waited_for(loader: Loader, photo: bytes, place: Path) -> None:
    os.mkfifo(place)
    assert is_red(loader.thumbnail(photo, 200))
    assert place.is_file()


def test_what_cannot_be_replaced_is_passed_by(loader: Loader, photo: bytes, place: Path) -> None:
    place.mkdir()
    assert is_red(loader.thumbnail(photo, 200))


def test_a_photo_that_cannot_be_shown_is_decoded_once(
    loader: Loader, tmp_path: Path, private_places: Path
) -> None:
    (tmp_path / "broken.jpg").write_text("not a picture")
    for _ in range(2):
        with pytest.raises(PhotoError, match="cannot be decoded"):
            loader.thumbnail(os.fsencode(tmp_path / "broken.jpg"), 200)


def test_photos_on_a_disk_that_does_not_answer_keep_no_thread_from_the_others(
    photo: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not os.path.exists("/dev/fuse") or os.geteuid():
        pytest.skip("a FUSE file system needs root and /dev/fuse")
    monkeypatch.setattr(disk_calls, "SILENCE_SECONDS", 0.3)
    source, mount = tmp_path / "source", tmp_path / "mount"
    for folder in (source, mount):
        (folder / "stuck").mkdir(parents=True)
    wanted = [Wanted(bytes(mount / "stuck" / f"{number}.jpg"), 8, 4) for number in range(4)]
    wanted.append(Wanted(photo, 8, 4))
    all_ready, ready, broke = threading.Event(), list[bytes](), list[Exception]()

    def told(path: bytes) -> None:
        ready.append(path)
        if len(ready) == len(wanted):
            all_ready.set()

    with faulty_disk(str(source), str(mount), hang_stat="stuck"):
        blocks = Capabilities(Graphics.BLOCKS)
        pictures = Pictures(blocks, Loader(), lambda _: None, told, lambda _: None, broke.append)
        pictures.want_thumbnails(wanted)
        try:
            assert all_ready.wait(60), (ready, broke)
            pictures.settle()
            shown = [pictures.get(one) for one in wanted]
        finally:
            pictures.close()
    assert not broke
    reasons = [one.reason for one in shown if one is not None]
    assert [bool(reason and "does not answer" in reason) for reason in reasons] == [True] * 4 + [False]
