"""Decode files of every format that Pillow can write, in real decoder processes."""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageOps

from imgret.decode import raw_files
from imgret.decode.decoder_handle import Decoded
from imgret.decode.formats import sniff
from imgret.decode.pool import DecodePool, default_workers
from imgret.errors import PhotoError


@pytest.fixture(scope="module")
def pool() -> Iterator[DecodePool]:
    with DecodePool(2, seconds=60) as pool:
        yield pool


def decode(pool: DecodePool, path: Path) -> Decoded:
    return pool.submit(os.fsencode(path)).result()


def drawn(width: int = 64, height: int = 48) -> Image.Image:
    """Return an image whose quarters have four colours, so that any rotation or mirroring is visible."""
    image = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, width // 2 - 1, height // 2 - 1), "red")
    draw.rectangle((width // 2, 0, width - 1, height // 2 - 1), "lime")
    draw.rectangle((0, height // 2, width // 2 - 1, height - 1), "blue")
    return image


def with_exif(orientation: int, **more: str) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    for tag, value in more.items():
        exif[int(tag[1:], 16)] = value
    return exif


@pytest.mark.parametrize(
    ("name", "kind", "save"),
    [
        ("a.png", "PNG", {}),
        ("a.bmp", "BMP", {}),
        ("a.tiff", "TIFF", {}),
        ("deflated.tif", "TIFF", {"compression": "tiff_adobe_deflate"}),
        ("a.webp", "WEBP", {"lossless": True}),
        ("a.gif", "GIF", {}),
        ("a.JPG", "JPEG", {"quality": 95, "subsampling": 0}),
        ("progressive.jpeg", "JPEG", {"quality": 95, "subsampling": 0, "progressive": True}),
        ("a.avif", "AVIF", {"quality": 95}),
        ("no extension", "PNG", {}),
    ],
)
def test_every_format_is_decoded_to_the_drawn_image(
    pool: DecodePool, tmp_path: Path, name: str, kind: str, save: dict[str, object]
) -> None:
    path = tmp_path / name
    drawn().save(path, kind, **save)
    decoded = decode(pool, path)
    assert (decoded.facts.format, decoded.facts.width, decoded.facts.height) == (kind, 64, 48)
    assert decoded.pixels.shape == (48, 64, 3)
    assert decoded.pixels.dtype == np.uint8
    assert np.abs(decoded.pixels.astype(int) - np.asarray(drawn()).astype(int)).mean() < 4


def test_heif_rotation_is_applied_once(pool: DecodePool, tmp_path: Path) -> None:
    pillow_heif = pytest.importorskip("pillow_heif", reason="pillow-heif is not installed")
    image = drawn()
    heif = pillow_heif.from_pillow(image)
    heif.save(tmp_path / "a.heic", quality=95)
    heif.info["exif"] = with_exif(6).tobytes()
    heif.save(tmp_path / "turned.heic", quality=95)
    upright, turned = decode(pool, tmp_path / "a.heic"), decode(pool, tmp_path / "turned.heic")
    assert upright.facts.format == "HEIF"
    assert upright.pixels.shape == (48, 64, 3)
    assert turned.pixels.shape == (64, 48, 3)
    assert (turned.facts.width, turned.facts.height) == (48, 64)
    assert np.abs(np.rot90(upright.pixels, -1).astype(int) - turned.pixels).mean() < 8


def test_jpeg_xl(pool: DecodePool, tmp_path: Path) -> None:
    pytest.importorskip("pillow_jxl", reason="the extra jxl is not installed")
    drawn().save(tmp_path / "a.jxl", lossless=True)
    decoded = decode(pool, tmp_path / "a.jxl")
    assert decoded.facts.format == "JXL"
    assert np.array_equal(decoded.pixels, np.asarray(drawn()))


def test_the_first_of_several_images_in_a_file_is_decoded(pool: DecodePool, tmp_path: Path) -> None:
    drawn().save(tmp_path / "a.gif", save_all=True, append_images=[Image.new("RGB", (64, 48), "black")])
    drawn().save(tmp_path / "a.mpo", save_all=True, append_images=[Image.new("RGB", (64, 48))], quality=95)
    gif, mpo = decode(pool, tmp_path / "a.gif"), decode(pool, tmp_path / "a.mpo")
    assert tuple(gif.pixels[5, 5]) == (255, 0, 0)
    assert mpo.facts.format == "MPO"
    assert mpo.pixels[5, 5, 0] > 200


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.tif", "a.webp"])
def test_all_eight_orientations_are_made_upright(
    pool: DecodePool, tmp_path: Path, name: str, orientation: int
) -> None:
    path = tmp_path / name
    options = {"lossless": True} if name.endswith("webp") else {}
    drawn().save(path, exif=with_exif(orientation), **options)
    with Image.open(path) as image:
        expected = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    decoded = decode(pool, path)
    assert np.array_equal(decoded.pixels, expected)
    assert (decoded.facts.height, decoded.facts.width) == expected.shape[:2]


def test_a_gallery_photo_equals_what_pillow_opens(pool: DecodePool, tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    Image.effect_mandelbrot((640, 480), (-2, -1, 1, 1), 50).convert("RGB").save(path)
    with Image.open(path) as image:
        expected = np.asarray(image.convert("RGB"))
    assert np.array_equal(decode(pool, path).pixels, expected)


@pytest.mark.parametrize(
    ("size", "shown"),
    [
        ((1280, 960), (960, 1280)),
        ((2600, 1950), (960, 1280)),
        ((1950, 2600), (1280, 960)),
        ((8000, 400), (64, 1280)),
        ((1, 1), (1, 1)),
        ((1, 5000), (1280, 1)),
    ],
)
@pytest.mark.parametrize("name", ["a.jpg", "a.png"])
def test_large_photos_are_reduced_and_their_facts_have_the_original_size(
    pool: DecodePool, tmp_path: Path, name: str, size: tuple[int, int], shown: tuple[int, int]
) -> None:
    path = tmp_path / name
    Image.linear_gradient("L").resize(size).convert("RGB").save(path)
    decoded = decode(pool, path)
    assert (decoded.facts.width, decoded.facts.height) == size
    assert decoded.pixels.shape == (*shown, 3)
    if min(shown) > 1:  # the gradient still goes from top to bottom
        assert decoded.pixels[0].mean() < 20
        assert decoded.pixels[-1].mean() > 235


def test_modes(pool: DecodePool, tmp_path: Path) -> None:
    half = Image.new("RGBA", (8, 8), (255, 0, 0, 0))
    half.paste((0, 0, 255, 255), (0, 0, 8, 4))
    half.save(tmp_path / "alpha.png")
    half.convert("P").save(tmp_path / "palette.png")
    palette = Image.new("P", (8, 8), 1)
    palette.putpalette([0, 0, 0, 10, 200, 30])
    palette.save(tmp_path / "transparent.png", transparency=1)
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(tmp_path / "cmyk.jpg", quality=95)
    Image.new("L", (8, 8), 77).save(tmp_path / "grey.png")
    Image.new("LA", (8, 8), (0, 128)).save(tmp_path / "greyalpha.png")
    Image.new("1", (8, 8), 1).save(tmp_path / "one.png")
    alpha = decode(pool, tmp_path / "alpha.png").pixels
    assert tuple(alpha[0, 0]) == (0, 0, 255)
    assert tuple(alpha[7, 7]) == (255, 255, 255)
    assert tuple(decode(pool, tmp_path / "transparent.png").pixels[0, 0]) == (255, 255, 255)
    red = decode(pool, tmp_path / "cmyk.jpg").pixels[0, 0]
    assert red[0] > 240
    assert red[1] < 15
    assert tuple(decode(pool, tmp_path / "grey.png").pixels[0, 0]) == (77, 77, 77)
    assert tuple(decode(pool, tmp_path / "greyalpha.png").pixels[0, 0]) == (127, 127, 127)
    assert tuple(decode(pool, tmp_path / "one.png").pixels[0, 0]) == (255, 255, 255)


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_sixteen_bits_are_scaled_and_not_clipped(pool: DecodePool, tmp_path: Path, name: str) -> None:
    ramp = np.linspace(0, 65535, 256).astype(np.uint16).reshape(16, 16)
    Image.fromarray(ramp).save(tmp_path / name)
    grey = decode(pool, tmp_path / name).pixels[..., 0].ravel().astype(int)
    assert np.abs(grey - np.arange(256)).max() <= 1


def test_floating_point_images_are_scaled_to_black_and_white(pool: DecodePool, tmp_path: Path) -> None:
    Image.fromarray(np.linspace(-3, 5, 64, dtype=np.float32).reshape(8, 8)).save(tmp_path / "a.tif")
    grey = decode(pool, tmp_path / "a.tif").pixels[..., 0]
    assert grey.min() == 0
    assert grey.max() >= 254


def test_pixel_hash_covers_size_and_pixels_but_not_metadata(pool: DecodePool, tmp_path: Path) -> None:
    drawn().save(tmp_path / "a.png")
    drawn().save(tmp_path / "b.png", exif=with_exif(1, x010f="Canon"), compress_level=1)
    drawn().transpose(Image.Transpose.ROTATE_90).save(tmp_path / "c.png")
    a, b, c = (decode(pool, tmp_path / name) for name in ("a.png", "b.png", "c.png"))
    assert a.pixel_hash == b.pixel_hash == blake3(struct.pack("<II", 64, 48) + a.pixels.tobytes()).digest()
    assert c.pixel_hash != a.pixel_hash
    assert b.facts.camera == "Canon"


def test_facts_are_returned_with_the_pixels(pool: DecodePool, tmp_path: Path) -> None:
    exif = with_exif(6, x010f="NIKON CORPORATION", x0110="NIKON D90")
    exif.get_ifd(0x8769)[0x9003] = "2019:07:14 12:30:00"
    exif.get_ifd(0x8825).update({1: "S", 2: (33.0, 51.0, 24.0), 3: "E", 4: (151.0, 12.0, 36.0)})
    drawn().save(tmp_path / "a.jpg", exif=exif)
    facts = decode(pool, tmp_path / "a.jpg").facts
    assert facts.taken_at == 1563107400
    assert facts.camera == "NIKON D90"
    assert facts.latitude == pytest.approx(-33.856667)
    assert facts.longitude == pytest.approx(151.21)
    assert (facts.width, facts.height) == (48, 64)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_invalid_exif_loses_the_facts_but_not_the_image(pool: DecodePool, tmp_path: Path, kind: str) -> None:
    good = with_exif(1, x010f="Canon").tobytes()
    for number, garbage in enumerate(
        [b"Exif\0\0II*\0\xff\xff\xff\xff" + bytes(range(200)), b"Exif\0\0", b"", good[:-3]]
        + [good[:at] + b"\xee" + good[at + 1 :] for at in range(len(good))]
    ):
        path = tmp_path / str(number)
        drawn().save(path, kind, exif=garbage)
        decoded = decode(pool, path)
        assert sorted(decoded.pixels.shape) == [3, 48, 64]
        assert decoded.facts.taken_at is None


def test_the_largest_preview_of_a_raw_file_is_decoded(pool: DecodePool, tmp_path: Path) -> None:
    thumb, preview = io.BytesIO(), io.BytesIO()
    drawn(32, 24).save(thumb, "JPEG")
    drawn(320, 240).save(preview, "JPEG", quality=95)
    lossless = b"\xff\xd8\xff\xc3\x00\x0b\x08\x20\x00\x20\x00\x01\x00\x11\x00" + bytes(
        50
    )  # the sensor's data
    header = io.BytesIO()
    drawn(16, 12).save(header, "TIFF", exif=with_exif(6, x010f="Canon", x0110="Canon EOS R5"))
    data = header.getvalue() + b"..".join((thumb.getvalue(), lossless, preview.getvalue(), bytes(1000)))
    (tmp_path / "a.CR2").write_bytes(data)
    decoded = decode(pool, tmp_path / "a.CR2")
    assert decoded.facts.format == "RAW"
    assert decoded.facts.camera == "Canon EOS R5"
    assert decoded.pixels.shape == (320, 240, 3)
    assert decoded.pixels[5, 5, 2] > 200  # rotated clockwise: blue is now at the top left
    (tmp_path / "b.nef").write_bytes(b"MM\0*" + bytes(500))
    with pytest.raises(PhotoError, match="raw file without a preview"):
        decode(pool, tmp_path / "b.nef")


@given(st.binary(max_size=400))
def test_preview_search_accepts_any_bytes(data: bytes) -> None:
    found = raw_files.largest_preview(b"\xff\xd8" + data)
    assert found is None or (data[max(found.offset - 2, 0) :] and found.width > 0 and found.height > 0)


@given(st.binary(max_size=64))
def test_sniff_accepts_any_bytes(head: bytes) -> None:
    assert sniff(head) in {None, "JPEG", "PNG", "GIF", "WEBP", "TIFF", "JXL", "AVIF", "HEIF", "BMP"}


def test_default_workers() -> None:
    assert default_workers(3) == 3
    assert 1 <= default_workers(0) <= 16


def test_a_real_gallery_equals_what_pillow_opens(pool: DecodePool, seed: Path) -> None:
    paths = sorted((seed / "gallery").iterdir())
    futures = [pool.submit(os.fsencode(path)) for path in paths]
    for path, future in zip(paths, futures, strict=True):
        with Image.open(path) as image:
            expected = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
        assert np.array_equal(future.result().pixels, expected), path
