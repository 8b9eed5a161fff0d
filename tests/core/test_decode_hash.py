"""A file is decoded only if its bytes are the expected ones."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from blake3 import blake3
from PIL import Image

from imgret.config import Settings
from imgret.decode import pixels
from imgret.decode.decode_request import DecodeRequest
from imgret.decode.pixels import Limits, read
from imgret.decode.pool import DecodePool
from imgret.errors import FileChanged, PhotoError
from imgret.ingest import Ingest
from imgret.pipeline.models import Models
from imgret.store.factory import open_store
from imgret.sync import add_root, sync

LIMITS = Limits(megapixels=10, memory_mb=500, side=100)
SETTINGS = Settings()


def bmp(path: Path, colour: int) -> bytes:
    """Write an uncompressed image, always of the same size, and return its BLAKE3."""
    Image.new("RGB", (40, 30), (colour, 7 * colour % 256, 99)).save(path, "BMP")
    return blake3(path.read_bytes()).digest()


@pytest.fixture
def pool() -> Iterator[DecodePool]:
    with DecodePool(1) as made:
        yield made


def test_other_bytes_at_the_path_are_refused(pool: DecodePool, tmp_path: Path) -> None:
    first, other = bmp(tmp_path / "a.bmp", 1), bmp(tmp_path / "b.bmp", 2)
    path = bytes(tmp_path / "a.bmp")
    assert tuple(pool.submit(path, first).result().pixels[0, 0]) == (1, 7, 99)
    assert tuple(pool.submit(path).result().pixels[0, 0]) == (1, 7, 99)
    with pytest.raises(FileChanged, match="another file"):
        pool.submit(path, other).result()
    (tmp_path / "a.bmp").write_bytes(b"no picture")
    with pytest.raises(FileChanged):  # this is no failure of the expected photo
        pool.submit(path, first).result()
    with pytest.raises(PhotoError, match="not a photo"):
        pool.submit(path).result()


@pytest.mark.parametrize("instead", [lambda p: None, lambda p: p.mkdir(), lambda p: os.mkfifo(p)])
def test_a_missing_file_does_not_count_as_a_failure(
    pool: DecodePool, tmp_path: Path, instead: Callable[[Path], None]
) -> None:
    path = tmp_path / "a.bmp"
    expected = bmp(path, 1)
    path.unlink()
    instead(path)
    with pytest.raises(FileChanged):
        pool.submit(bytes(path), expected).result()
    with pytest.raises(PhotoError) as caught:
        pool.submit(bytes(path)).result()
    assert not isinstance(caught.value, FileChanged)


@pytest.mark.parametrize("broken", [False, True])
def test_a_file_written_to_while_it_is_decoded_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: bool
) -> None:
    path = tmp_path / "a.bmp"
    expected = bmp(path, 1)
    decode = pixels._decoded

    def overwritten(*arguments: object) -> object:
        found = decode(*arguments)  # type: ignore[arg-type]
        bmp(path, 2)
        if broken:
            raise PhotoError("damaged")
        return found

    monkeypatch.setattr(pixels, "_decoded", overwritten)
    with pytest.raises(FileChanged, match="changed while"):
        read(DecodeRequest(bytes(path), expected), LIMITS)


def test_renaming_files_while_they_are_described_mixes_no_results_up(
    tmp_path: Path, pool: DecodePool
) -> None:
    """All files have the same size, and their names change all the time. In the end each has its own description."""
    folder, count = tmp_path / "photos", 24
    folder.mkdir()
    for number in range(count):
        bmp(folder / f"{number}.bmp", number)
    stop = threading.Event()

    def rotate() -> None:
        while not stop.is_set():
            (folder / "0.bmp").rename(folder / "spare")
            for number in range(1, count):
                (folder / f"{number}.bmp").rename(folder / f"{number - 1}.bmp")
            (folder / "spare").rename(folder / f"{count - 1}.bmp")

    with open_store(str(tmp_path / "index.db")) as store:

        def scan_once() -> frozenset[bytes]:
            root, _ = add_root(store, bytes(folder))
            sync(store, SETTINGS, root)
            return Ingest(store, SETTINGS, Models()).run(decoder=pool).changed

        root, _ = add_root(store, bytes(folder))
        sync(store, SETTINGS, root)
        rotating = threading.Thread(target=rotate)
        rotating.start()
        try:
            changed = Ingest(store, SETTINGS, Models()).run(decoder=pool).changed
        finally:
            stop.set()
            rotating.join()
        assert changed  # otherwise this test proves nothing
        assert not scan_once()
        assert store.failures.all() == []
        assert store.row("SELECT count(*) FROM work WHERE stage = 'decode'") == (0,)
        for file in folder.iterdir():
            photo = store.photos.find(bytes(file))
            assert photo is not None
            assert photo.content is not None
            assert store.contents.hash_of(photo.content) == blake3(file.read_bytes()).digest()
            decoded = pool.submit(bytes(file)).result()
            assert store.results.pixels(photo.content) == decoded.pixel_hash


def test_a_copy_is_described_when_the_first_path_has_other_bytes(tmp_path: Path, pool: DecodePool) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    with open_store(str(tmp_path / "index.db")) as store:
        root, _ = add_root(store, bytes(folder))
        for name in (
            "a.bmp",
            "b.bmp",
        ):  # one at a time, because files that are hashed together are saved in any order
            bmp(folder / name, 1)
            sync(store, SETTINGS, root)
        bmp(folder / "a.bmp", 2)
        described = Ingest(store, SETTINGS, Models()).run(decoder=pool)
        assert (described.done, described.failed) == (1, 0)
        assert described.changed == {bytes(folder / "a.bmp")}
        photo = store.photos.find(bytes(folder / "b.bmp"))
        assert photo is not None
        assert photo.content is not None
        assert store.results.pixels(photo.content) == pool.submit(photo.path).result().pixel_hash


def test_photos_are_never_accessed_inside_a_write_transaction(
    tmp_path: Path, pool: DecodePool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk may take seconds to respond, and a write transaction would block all other writers meanwhile."""
    folder = tmp_path / "photos"
    (folder / "sub").mkdir(parents=True)
    with open_store(str(tmp_path / "index.db")) as store:
        touched: list[str] = []

        def watched(name: str) -> None:
            real = getattr(os, name)

            def call(*arguments: object, **options: object) -> object:
                touched.append(name)
                assert not store.db.in_transaction, f"os.{name} inside a transaction"
                return real(*arguments, **options)

            monkeypatch.setattr(os, name, call)

        for name in ("stat", "lstat", "open", "scandir", "listdir", "readlink", "statvfs"):
            watched(name)
        for number in range(4):
            bmp(folder / f"{number}.bmp", number)
        (folder / "sub" / "broken.jpg").write_bytes(b"\xff\xd8\xff broken")
        (folder / "empty.jpg").touch()
        root, _ = add_root(store, bytes(folder))
        sync(store, SETTINGS, root)
        (folder / "0.bmp").unlink()  # decoding fails, so imgret checks whether the disk is online
        assert Ingest(store, SETTINGS, Models()).run(decoder=pool).failed == 1
        (folder / "sub" / "broken.jpg").unlink()
        (folder / "sub").rmdir()
        sync(store, SETTINGS, root)
        assert {"stat", "lstat", "open", "scandir", "statvfs"} <= set(touched)
