"""Truncated images: decoded and marked if most of their rows are present, otherwise refused."""

from __future__ import annotations

import io
import os
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from imgret.decode import truncated
from imgret.decode.decoder_handle import Decoded
from imgret.decode.pool import DecodePool
from imgret.errors import PhotoError

SIZE = (320, 240)


@pytest.fixture(scope="module")
def pool() -> Iterator[DecodePool]:
    with DecodePool(2, seconds=60) as pool:
        yield pool


def scene() -> Image.Image:
    """Return an image with content in every row."""
    return Image.merge("RGB", [Image.effect_noise(SIZE, spread).resize(SIZE) for spread in (20, 60, 90)])


def saved(kind: str, image: Image.Image | None = None, **options: object) -> bytes:
    file = io.BytesIO()
    (image or scene()).save(file, kind, **options)
    return file.getvalue()


def outcome(pool: DecodePool, path: Path, data: bytes) -> Decoded | PhotoError:
    path.write_bytes(data)
    error = pool.submit(os.fsencode(path)).exception()
    if error is None:
        return pool.submit(os.fsencode(path)).result()
    assert isinstance(error, PhotoError), error
    return error


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("JPEG", {"quality": 90}),
        ("JPEG", {"quality": 90, "restart_marker_rows": 1}),
        ("JPEG", {"quality": 60, "subsampling": 0}),
        ("PNG", {}),
        ("TIFF", {}),
        ("BMP", {}),
    ],
)
def test_the_share_of_decoded_rows_decides(
    pool: DecodePool, tmp_path: Path, kind: str, options: dict[str, object]
) -> None:
    """Truncate at many positions: nine tenths of the bytes are accepted, seven tenths are not."""
    data = saved(kind, **options)
    for per_cent in (99.9, 97, 95, 92, 90, 70, 60, 50, 30, 10):
        got = outcome(pool, tmp_path / "a.jpg", data[: int(len(data) * per_cent / 100)])
        if per_cent >= 90:
            assert isinstance(got, Decoded), (kind, per_cent, got)
            assert got.facts.truncated, (kind, per_cent)
            assert (got.facts.width, got.facts.height) == SIZE
        else:
            assert isinstance(got, PhotoError), (kind, per_cent)
            assert got.transient
            assert "damaged or cut short" in str(got)
    whole = outcome(pool, tmp_path / "a.jpg", data)
    assert isinstance(whole, Decoded)
    assert not whole.facts.truncated


@pytest.mark.parametrize("missing", [1, 2, 3, 10])
def test_a_jpeg_without_its_last_bytes_decodes_to_the_same_rows(
    pool: DecodePool, tmp_path: Path, missing: int
) -> None:
    data = saved("JPEG", quality=95)
    whole, cut = outcome(pool, tmp_path / "a.jpg", data), outcome(pool, tmp_path / "b.jpg", data[:-missing])
    assert isinstance(whole, Decoded)
    assert isinstance(cut, Decoded)
    assert cut.facts.truncated
    same = SIZE[1] - 16 - 2  # all but the last row of blocks, and the rows that are interpolated with it
    assert np.array_equal(whole.pixels[:same], cut.pixels[:same])


def test_a_progressive_jpeg_needs_complete_coarse_scans(pool: DecodePool, tmp_path: Path) -> None:
    data = saved("JPEG", quality=90, progressive=True)
    starts = [at for at in range(len(data) - 1) if data[at : at + 2] == b"\xff\xda"]
    assert len(starts) > 5
    for number, at in enumerate(starts[1:], 1):  # the number of complete scans before it
        got = outcome(pool, tmp_path / "a.jpg", data[: at + 40])
        # libjpeg's scans: averages, luminance 1-5, two of the colours, luminance 6-63, refinements
        assert isinstance(got, Decoded) == (number >= 5), (number, got)
        assert isinstance(got, PhotoError) or got.facts.truncated


def test_zeros_in_place_of_the_end_count_as_missing(pool: DecodePool, tmp_path: Path) -> None:
    """A download that set the file's size first: libjpeg decodes the zeros to noise without an error."""
    data = saved("JPEG", quality=90)
    for per_cent in (95, 50):
        length = len(data) * per_cent // 100
        got = outcome(pool, tmp_path / "a.jpg", data[:length] + bytes(len(data) - length))
        assert isinstance(got, Decoded) == (per_cent == 95)
    padded = outcome(pool, tmp_path / "b.jpg", data + bytes(4096))
    assert isinstance(padded, Decoded)
    assert not padded.facts.truncated


def test_a_grey_or_black_lower_part_of_a_complete_image_counts_as_decoded(
    pool: DecodePool, tmp_path: Path
) -> None:
    for colour in ("black", (128, 128, 128), (127, 127, 127)):
        image = scene()
        image.paste(colour, (0, SIZE[1] // 2, *SIZE))
        for kind in ("JPEG", "PNG", "BMP"):
            got = outcome(pool, tmp_path / "a", saved(kind, image))
            assert isinstance(got, Decoded), (kind, colour, got)
            assert not got.facts.truncated


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_grey_and_four_colour_jpegs_are_measured_too(pool: DecodePool, tmp_path: Path, mode: str) -> None:
    data = saved("JPEG", scene().convert(mode), quality=90)
    assert isinstance(outcome(pool, tmp_path / "a.jpg", data[: len(data) * 95 // 100]), Decoded)
    assert isinstance(outcome(pool, tmp_path / "a.jpg", data[: len(data) // 2]), PhotoError)


def test_a_large_jpeg_is_measured_in_its_reduced_size(pool: DecodePool, tmp_path: Path) -> None:
    data = saved("JPEG", Image.effect_noise((4000, 3000), 50), quality=80)
    got = outcome(pool, tmp_path / "a.jpg", data[: len(data) * 95 // 100])
    assert isinstance(got, Decoded)
    assert got.facts.truncated
    assert got.pixels.shape == (960, 1280, 3)
    assert isinstance(outcome(pool, tmp_path / "a.jpg", data[: len(data) * 60 // 100]), PhotoError)


def test_a_truncated_interlaced_png_is_refused(pool: DecodePool, tmp_path: Path) -> None:
    passes = [
        (8, 8),
        (8, 8),
        (4, 8),
        (4, 4),
        (2, 4),
        (2, 2),
        (1, 2),
    ]  # column and row steps of the passes of Adam7
    rows = b"".join(b"\0" + os.urandom(3 * 64 // x) for x, y in passes for _ in range(64 // y))
    header = b"\0\0\0\x40\0\0\0\x40\x08\x02\0\0\x01"  # RGB, Adam7

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows))
    assert isinstance(outcome(pool, tmp_path / "a.png", png), Decoded)
    got = outcome(pool, tmp_path / "a.png", png[: len(png) * 9 // 10])
    assert isinstance(got, PhotoError)
    assert "damaged or cut short" in str(got)


@given(st.integers(0, 4000), st.booleans())
def test_a_shorter_file_never_has_more_complete_scans(length: int, progressive: bool) -> None:
    data = _small(progressive)
    whole, cut = truncated._Scans(data), truncated._Scans(data[:length])
    assert whole.ended
    assert whole.cover()
    assert len(cut.found) <= len(whole.found)
    assert cut.ended == (length >= len(data))


@given(st.binary(max_size=300))
def test_scan_parsing_accepts_any_bytes(data: bytes) -> None:
    scans = truncated._Scans(b"\xff\xd8" + data)
    assert not scans.cover() or scans.found


def _small(progressive: bool, known: dict[bool, bytes] = {}) -> bytes:  # noqa: B006
    if progressive not in known:
        image = Image.effect_noise((48, 40), 60).convert("RGB")
        known[progressive] = saved("JPEG", image, progressive=progressive)
    return known[progressive]
