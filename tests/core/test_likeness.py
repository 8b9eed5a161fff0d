"""Asking with a picture: copies are found by their hashes, before any model is loaded."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from imgret.answer import Answerer
from imgret.config import Settings, places
from imgret.describe.decode import DecodePool
from imgret.describe.fingerprint import content_hash
from imgret.errors import PhotoError, UsageError
from imgret.index import content_table, photos, roots, vectors
from imgret.index.connection import Index
from imgret.photo import Fingerprint, ModelIdentity, View
from imgret.request import Request
from imgret.search.likeness import likeness

MODEL = ModelIdentity("given", "1")


def never() -> Any:
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
def known(index: Index) -> Callable[..., int]:
    """known(path, vector) -> the content of an indexed file; without a vector it is not described yet."""

    def save(path: bytes, vector: Any = None) -> int:
        folder, _, name = path.rpartition(b"/")
        with index.writing():
            root = roots.add(index, folder)
            content, _ = photos.save(
                index, root.id, b"", name, Fingerprint(1, 1, 1, 1), content_hash(path), 1
            )
            with DecodePool(1) as pool:
                decoded = pool.submit(path).result()
            content_table.save_facts(index, content, decoded.facts, decoded.pixel_hash)
            if vector is not None:
                vectors.save(index, content, MODEL, {View.PASSAGE: vector})
        return content

    return save


def test_copies_are_told_by_bytes_and_by_pixels(
    index: Index, picture: Callable[..., bytes], known: Callable[..., int], units: Callable[..., Any]
) -> None:
    row = units(2)
    one = known(picture("one.png", 1), row[0])
    known(picture("other.png", 2), row[1])
    for asked in (picture("../same.png", 1), picture("../packed.png", 1, level=0)):
        found = likeness(index, asked, never, never, Settings())
        assert (found.content, found.copies) == (None, (one,))
        assert found.vector is not None
        assert float(found.vector @ row[0]) == pytest.approx(1, abs=1e-3)


def test_an_indexed_photo_is_no_answer_but_its_twin_is(
    index: Index,
    picture: Callable[..., bytes],
    known: Callable[..., int],
    units: Callable[..., Any],
    tmp_path: Path,
) -> None:
    path = picture("one.png", 1)
    one, twin = known(path, units(1)[0]), known(picture("twin.png", 1, level=0), units(1)[0])
    (tmp_path / "link").symlink_to(os.fsdecode(os.path.dirname(path)))
    for asked in (path, os.fsencode(tmp_path / "link" / "one.png")):
        found = likeness(index, asked, never, never, Settings())
        assert (found.content, found.copies) == (one, (twin,))
    root = roots.roots(index)[0].id
    photos.bury(index, root, b"", [b"twin.png"], now=5)
    assert likeness(index, path, never, never, Settings()).copies == ()


def test_a_copy_that_is_not_described_yet_is_an_answer_all_the_same(
    index: Index, picture: Callable[..., bytes], known: Callable[..., int]
) -> None:
    known(picture("one.png", 1))
    asked = picture("../same.png", 1)
    answer = Answerer(index, Settings(), places()).find(Request(like=os.fsdecode(asked)))
    assert [os.path.basename(hit.path) for hit in answer.hits] == [b"one.png"]
    assert answer.hits[0].strength == "strong"
    assert answer.hits[0].why == ("the same picture",)


def test_the_copy_comes_first_and_filters_hold(
    index: Index, picture: Callable[..., bytes], known: Callable[..., int], units: Callable[..., Any]
) -> None:
    rows = units(12)
    for number in range(10):
        known(picture(f"{number}.png", number + 5), rows[number])
    asked = os.fsdecode(picture("../same.png", 8, level=0))
    answerer = Answerer(index, Settings(), places())
    hits = answerer.find(Request(like=asked)).hits
    assert os.path.basename(hits[0].path) == b"3.png"
    assert len({hit.path for hit in hits}) == len(hits) == 10
    assert [hit.rank for hit in hits] == list(range(1, 11))
    filtered = answerer.find(Request(like=asked, text="-name:3.png")).hits
    assert b"3.png" not in {os.path.basename(hit.path) for hit in filtered}
    assert len(filtered) == 9


def test_what_is_no_picture_and_what_nobody_can_describe(
    index: Index, picture: Callable[..., bytes], tmp_path: Path
) -> None:
    text = tmp_path / "text.png"
    text.write_text("no picture")
    with pytest.raises(PhotoError, match=r"text\.png"):
        likeness(index, os.fsencode(text), never, never, Settings())

    class Nothing:
        caption = detect = None

    with pytest.raises(UsageError, match="not in the index"):
        likeness(index, picture("new.png", 9), lambda: None, Nothing, Settings())  # type: ignore[arg-type, return-value]
