"""Searching with a photo: copies are found by their hashes, before any model is loaded."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from imgret.config import Settings, places
from imgret.decode.hashing import content_hash
from imgret.decode.perceptual import SIGNATURE_BYTES, similarity
from imgret.decode.pool import DecodePool
from imgret.errors import PhotoError, UsageError
from imgret.photo import FileStat, ModelIdentity
from imgret.pipeline.models import Models
from imgret.search.looks import COPY, MOST_CONTRAST, energies, packed
from imgret.search.request import SearchRequest
from imgret.search.service import SearchService
from imgret.search.similar import likeness, looking_alike
from imgret.store.factory import open_store
from imgret.store.interface import Store

MODEL = ModelIdentity("given", "1")


def never(*_: object) -> Any:
    raise AssertionError("a model was loaded")


@pytest.fixture
def picture(tmp_path: Path) -> Callable[..., bytes]:
    """picture("a.png", seed) -> the path of a picture of noise; `level` changes the bytes and not the pixels."""

    def make(name: str, seed: int = 1, level: int = 6) -> bytes:
        pixels = np.random.default_rng(seed).integers(0, 255, (24, 32, 3), np.uint8)
        path = tmp_path / "pictures" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path, compress_level=level)
        return os.fsencode(path.resolve())

    return make


@pytest.fixture
def known(store: Store) -> Callable[..., int]:
    """known(path, vector) -> the content of an indexed file; without a vector it is not described yet."""

    def save(path: bytes, vector: Any = None) -> int:
        folder, _, name = path.rpartition(b"/")
        with store.writing():
            root = store.roots.add(folder)
            content, _ = store.photos.save(root.id, b"", name, FileStat(1, 1, 1, 1), content_hash(path), 1)
            with DecodePool(1) as pool:
                decoded = pool.submit(path).result()
            store.contents.save_facts(content, decoded.facts, decoded.pixel_hash, decoded.signature)
            if vector is not None:
                store.vectors.save(content, MODEL, {"passage": vector})
        return content

    return save


def test_copies_are_recognised_by_bytes_and_by_pixels(
    store: Store, picture: Callable[..., bytes], known: Callable[..., int], units: Callable[..., Any]
) -> None:
    row = units(2)
    one = known(picture("one.png", 1), row[0])
    known(picture("other.png", 2), row[1])
    for other in (picture("../same.png", 1), picture("../packed.png", 1, level=0)):
        found = likeness(store, other, never, Settings())
        assert (found.content, found.copies) == (None, (one,))
        assert found.vector is not None
        assert float(found.vector @ row[0]) == pytest.approx(1, abs=1e-3)


def scene(seed: int, size: tuple[int, int] = (640, 480)) -> Image.Image:
    """Soft shapes of all sizes, as a photo has them; another scene for each seed."""
    numbers = np.random.default_rng(seed)
    layers = [
        np.asarray(
            Image.fromarray(numbers.integers(0, 255, (rows, rows + 1, 3), np.uint8)).resize(
                size, Image.Resampling.BICUBIC
            ),
            np.float32,
        )
        for rows in (3, 6, 24)
    ]
    return Image.fromarray((0.5 * layers[0] + 0.3 * layers[1] + 0.2 * layers[2]).astype(np.uint8))


VERSIONS: dict[str, tuple[str, dict[str, int], Callable[[Image.Image], Image.Image]]] = {
    "quality 40": ("jpg", {"quality": 40}, lambda image: image),
    "a quarter": ("jpg", {"quality": 80}, lambda image: image.resize((160, 120))),
    "without 2 % at one side": ("jpg", {"quality": 85}, lambda image: image.crop((13, 0, 640, 480))),
    "without 2 % in all": ("jpg", {"quality": 85}, lambda image: image.crop((6, 5, 634, 475))),
    "PNG": ("png", {}, lambda image: image),
    "WebP": ("webp", {"quality": 60}, lambda image: image),
    "on its side": ("jpg", {"quality": 80}, lambda image: image.transpose(Image.Transpose.ROTATE_90)),
    "mirrored, half": (
        "jpg",
        {"quality": 80},
        lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT).resize((320, 240)),
    ),
}


def test_other_versions_of_a_photo_are_found_by_perceptual_hashes(
    store: Store, known: Callable[..., int], units: Callable[..., Any], tmp_path: Path
) -> None:
    rows = units(6)
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(6):
        scene(number).save(folder / f"{number}.jpg", quality=92)
        known(os.fsencode(folder / f"{number}.jpg"), rows[number])
    service = SearchService(store, Settings(), places())
    for number, (what, (ending, options, made)) in enumerate(VERSIONS.items()):
        other = tmp_path / f"other-{number}.{ending}"
        with Image.open(folder / "2.jpg") as image:
            made(image).save(other, **options)
        found = likeness(store, os.fsencode(other), never, Settings())
        assert (found.content, found.copies + found.alike) == (None, (3,)), what
        assert found.vector is not None, what
        why = ("the same picture",) if what == "PNG" else ("looks the same",)
        hits = service.find(SearchRequest(like=str(other))).hits
        assert (os.path.basename(hits[0].path), hits[0].why, len(hits)) == (b"2.jpg", why, 6), what
    scene(77).save(tmp_path / "another.jpg")
    with pytest.raises(UsageError, match="the index needs image vectors"):
        likeness(store, os.fsencode(tmp_path / "another.jpg"), never, Settings())


def test_versions_follow_the_copies_the_likest_first(
    store: Store, known: Callable[..., int], tmp_path: Path
) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    image = scene(4)
    image.crop((13, 0, 640, 480)).save(folder / "cropped.png")
    image.save(folder / "good.jpg", quality=95)
    image.save(folder / "whole.png")
    image.save(folder / "packed.png", compress_level=0)
    cropped, good, whole, packed = (
        known(os.fsencode(folder / name)) for name in ("cropped.png", "good.jpg", "whole.png", "packed.png")
    )
    found = likeness(store, os.fsencode(folder / "whole.png"), never, Settings())
    assert (found.content, found.copies, found.alike) == (whole, (packed,), (good, cropped))
    image.save(tmp_path / "again.png", compress_level=1)
    found = likeness(store, os.fsencode(tmp_path / "again.png"), never, Settings())
    assert (found.content, found.copies, found.alike) == (None, (whole, packed), (good, cropped))
    store.photos.mark_deleted(store.roots.all()[0].id, b"", [b"good.jpg"], now=5)
    assert likeness(store, os.fsencode(folder / "whole.png"), never, Settings()).alike == (cropped,)


@settings(max_examples=30, deadline=None)  # each makes an index
@given(
    st.lists(
        st.lists(st.integers(-127, 127), min_size=SIGNATURE_BYTES, max_size=SIGNATURE_BYTES).map(
            lambda values: np.array(values, np.int8).tobytes()
        ),
        min_size=1,
        max_size=4,
    ),
    st.integers(0, 300),
)
def test_all_are_compared_as_two_are(looks: list[bytes], gap: int) -> None:
    """Signatures compared in bulk have the cosine that `similarity` returns; ids may have gaps."""
    looks = [*looks, looks[0][:-1] + bytes([looks[0][-1] ^ 1]), bytes(SIGNATURE_BYTES)]
    with (
        tempfile.TemporaryDirectory() as folder,
        open_store(folder + "/index.db") as store,
        store.writing() as db,
    ):
        root = store.roots.add(b"/photos").id
        ids = []
        for number, look in enumerate(looks):
            id_ = 1 + number * (gap * 100 + 1)
            db.execute(
                "INSERT INTO content (id, hash, look) VALUES (?, ?, ?)", (id_, bytes([number]) * 32, look)
            )
            db.execute(
                "INSERT INTO photo (root, folder, name, size, mtime_ns, ctime_ns, inode, content, first_seen,"
                " last_seen) VALUES (?, x'', ?, 1, 1, 1, 1, ?, 1, 1)",
                (root, b"%d" % number, id_),
            )
            ids.append(id_)
        alike = {id_: similarity(looks[0], look) for id_, look in zip(ids, looks, strict=True)}
        found = looking_alike(store, looks[0])
        energy = {
            id_: int(energies(packed(look).signatures)[0]) for id_, look in zip(ids, looks, strict=True)
        }
        contrast = {
            id_: max(energy[ids[0]], each) / max(min(energy[ids[0]], each), 1) for id_, each in energy.items()
        }
        assert set(found) == {id_ for id_ in ids if alike[id_] >= COPY and contrast[id_] <= MOST_CONTRAST}
        assert all(alike[one] >= alike[other] - 1e-6 for one, other in pairwise(found))


def test_an_indexed_photo_is_no_hit_but_its_copy_is(
    store: Store,
    picture: Callable[..., bytes],
    known: Callable[..., int],
    units: Callable[..., Any],
    tmp_path: Path,
) -> None:
    path = picture("one.png", 1)
    one, twin = known(path, units(1)[0]), known(picture("twin.png", 1, level=0), units(1)[0])
    (tmp_path / "link").symlink_to(os.fsdecode(os.path.dirname(path)))
    for other in (path, os.fsencode(tmp_path / "link" / "one.png")):
        found = likeness(store, other, never, Settings())
        assert (found.content, found.copies) == (one, (twin,))
    root = store.roots.all()[0].id
    store.photos.mark_deleted(root, b"", [b"twin.png"], now=5)
    assert likeness(store, path, never, Settings()).copies == ()


def test_a_copy_that_is_not_described_yet_is_a_hit(
    store: Store, picture: Callable[..., bytes], known: Callable[..., int]
) -> None:
    known(picture("one.png", 1))
    other = picture("../same.png", 1)
    answer = SearchService(store, Settings(), places()).find(SearchRequest(like=os.fsdecode(other)))
    assert [os.path.basename(hit.path) for hit in answer.hits] == [b"one.png"]
    assert answer.hits[0].strength == "strong"
    assert answer.hits[0].why == ("the same picture",)


def test_the_copy_comes_first_and_filters_hold(
    store: Store, picture: Callable[..., bytes], known: Callable[..., int], units: Callable[..., Any]
) -> None:
    rows = units(12)
    for number in range(10):
        known(picture(f"{number}.png", number + 5), rows[number])
    other = os.fsdecode(picture("../same.png", 8, level=0))
    service = SearchService(store, Settings(), places())
    hits = service.find(SearchRequest(like=other)).hits
    assert os.path.basename(hits[0].path) == b"3.png"
    assert len({hit.path for hit in hits}) == len(hits) == 10
    assert [hit.rank for hit in hits] == list(range(1, 11))
    filtered = service.find(SearchRequest(like=other, text="-name:3.png")).hits
    assert b"3.png" not in {os.path.basename(hit.path) for hit in filtered}
    assert len(filtered) == 9


def test_files_that_are_no_image_and_images_without_a_model(
    store: Store, picture: Callable[..., bytes], tmp_path: Path
) -> None:
    text = tmp_path / "text.png"
    text.write_text("no picture")
    with pytest.raises(PhotoError, match=r"text\.png"):
        likeness(store, os.fsencode(text), never, Settings())

    with pytest.raises(UsageError, match="not in the index"):
        likeness(store, picture("new.png", 9), lambda _: Models(), Settings())
