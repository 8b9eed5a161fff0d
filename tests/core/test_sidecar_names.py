"""Which names a sidecar can have; the names of Takeout are from real exports, as its users report them."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgret.decode.takeout import is_title_of
from imgret.exclude import is_sidecar
from imgret.sidecar_names import sidecar_names


@pytest.mark.parametrize(
    ("photo", "sidecar"),
    [
        ("a.jpg", "a.jpg.xmp"),
        ("a.jpg", "a.xmp"),
        ("a.jpg", "a.XMP"),
        ("a.tar.jpg", "a.tar.xmp"),
        ("IMG_1.jpg", "IMG_1.jpg.json"),
        ("IMG_1.jpg", "IMG_1.jpg.supplemental-metadata.json"),
        ("IMG_1(1).jpg", "IMG_1.jpg(1).json"),
        ("IMG_1(1).jpg", "IMG_1(1).jpg.json"),
        ("IMG_1(2).jpg", "IMG_1.jpg.supplemental-metadata(2).json"),
        ("IMG_1-edited.jpg", "IMG_1.jpg.json"),
        ("IMG_1-edited.jpg", "IMG_1.jpg.supplemental-metadata.json"),
        ("IMG_1-bearbeitet(3).jpg", "IMG_1.jpg(3).json"),
        ("PXL_20230101_101112131.PORTRAIT.jpg", "PXL_20230101_101112131.PORTRAIT.jpg.supplement.json"),
        (
            "Screenshot_20210102-030405_Instagram_Stories.jpg",
            "Screenshot_20210102-030405_Instagram_Stories.j.json",
        ),
        (
            "original_1d4caa6f-16c6-4c3d-901b-9387de10e528_.jpg",
            "original_1d4caa6f-16c6-4c3d-901b-9387de10e528_.json",
        ),
        ("a" * 41 + ".jpg", "a" * 41 + ".jpg..json"),
        ("ü" * 50 + ".jpg", "ü" * 46 + ".json"),
        ("no suffix", "no suffix.json"),
        ("any.jpg", "metadata.json"),
    ],
)
def test_names(photo: str, sidecar: str) -> None:
    assert sidecar.encode() in sidecar_names(photo.encode())
    assert is_sidecar(sidecar.encode())


@pytest.mark.parametrize(
    ("photo", "other"),
    [("a.jpg", "b.jpg.xmp"), ("a.jpg", "a.png.xmp"), ("IMG_1.jpg", "IMG_1.jpg(1).json"), ("a.jpg", "ab.xmp")],
)
def test_sidecars_of_other_photos(photo: str, other: str) -> None:
    assert other.encode() not in sidecar_names(photo.encode())


@given(st.binary(min_size=1, max_size=80))
def test_names_are_few_and_each_occurs_once(photo: bytes) -> None:
    names = sidecar_names(photo)
    assert len(names) == len(set(names)) < 150
    assert all(is_sidecar(name) for name in names)
    assert names[0] == photo + b".xmp"


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("a.jpg", "a.jpg"),
        ("a.jpg", "a(1).jpg"),
        ("a.jpg", "a-edited.jpg"),
        ("Mum & Dad?.jpg", "Mum _ Dad_.jpg"),
        ("a.HEIC", "a.jpg"),
        ("A.JPG", "a.jpg"),
        (
            "Screenshot_20210102-030405_Instagram_Stories_2.jpg",
            "Screenshot_20210102-030405_Instagram_Stories.jpg",
        ),
        ("no suffix", "no suffix.jpg"),
    ],
)
def test_titles_that_fit(title: str, name: str) -> None:
    assert is_title_of(title, name)


@pytest.mark.parametrize(
    ("title", "name"), [("b.jpg", "a.jpg"), ("a2.jpg", "a.jpg"), ("", "a.jpg"), ("a.jpg", ".jpg")]
)
def test_titles_of_other_photos(title: str, name: str) -> None:
    assert not is_title_of(title, name)


@given(st.text(max_size=60), st.binary(min_size=1, max_size=60))
def test_any_title_is_compared(title: str, name: bytes) -> None:
    assert is_title_of(title, os.fsdecode(name)) in (True, False)
