"""Files as found in real folders: each is decoded, or refused with a message that names its type and what to do."""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from PIL import Image

from imgret.decode import formats, png, raw_files
from imgret.decode.decoder_handle import Decoded
from imgret.decode.pool import DecodePool
from imgret.errors import PhotoError

SIZE = (64, 48)
Maker = Callable[[], bytes]


@pytest.fixture(scope="module")
def pool() -> Iterator[DecodePool]:
    with DecodePool(2, seconds=60) as pool:
        yield pool


def plain(colour: object = "red", mode: str = "RGB", size: tuple[int, int] = SIZE) -> Image.Image:
    return (
        Image.new("RGB", size, colour).convert(mode)
        if isinstance(colour, str)
        else Image.new(mode, size, colour)
    )


def saved(kind: str, image: Image.Image | None = None, **options: object) -> bytes:
    file = io.BytesIO()
    (image or plain()).save(file, kind, **options)
    return file.getvalue()


def frames(kind: str) -> bytes:
    """Return a file with a red, a blue and a green image."""
    file = io.BytesIO()
    plain().save(file, kind, save_all=True, append_images=[plain("blue"), plain("lime")])
    return file.getvalue()


def chunked(depth: int, colour: int, rows: bytes, *, before: bytes = b"", after: bytes = b"") -> bytes:
    """Assemble a PNG of 4 x 4 pixels."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 4, depth, colour, 0, 0, 0))
    data = chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + header + before + data + after + chunk(b"IEND", b"")


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def red_png(before: bytes = b"", after: bytes = b"") -> bytes:
    return chunked(8, 2, (b"\0" + b"\xff\0\0" * 4) * 4, before=before, after=after)


def bmp(header: int, height: int, bits: int, data: bytes, how: int = 0, more: bytes = b"") -> bytes:
    """Assemble a BMP of 4 x 4 pixels; `more` are masks or a palette."""
    if header == 12:
        fields = struct.pack("<IHHHH", 12, 4, height, 1, bits)
    else:
        fields = struct.pack("<IiiHHIIiiII", header, 4, height, 1, bits, how, len(data), 0, 0, 0, 0)
        fields += more[: header - 40].ljust(header - 40, b"\0")
    rest = more[max(0, header - 40) :]
    offset = 14 + len(fields) + len(rest)
    return b"BM" + struct.pack("<IHHI", offset + len(data), 0, 0, offset) + fields + rest + data


def tiff(*directories: dict[int, tuple[int, bytes]], data: bytes = b"") -> bytes:
    """Assemble a TIFF of directories {tag: (type, value)}; all after the first are SubIFDs of the first."""
    head = b"II*\0" + struct.pack("<I", 8 + len(data)) + data
    sizes = {1: 1, 2: 1, 3: 2, 4: 4}
    entries = [dict(each) for each in directories]
    lengths = [
        2 + 12 * (len(each) + (i == 0 and len(directories) > 1)) + 4 for i, each in enumerate(directories)
    ]
    starts = [8 + len(data) + sum(lengths[:i]) for i in range(len(lengths))]
    if len(directories) > 1:
        assert len(directories) == 2
        entries[0][330] = (4, struct.pack("<I", starts[1]))
    for each in entries:
        head += struct.pack("<H", len(each))
        for tag, (kind, value) in sorted(each.items()):
            assert len(value) <= 4
            head += struct.pack("<HHI", tag, kind, len(value) // sizes[kind]) + value.ljust(4, b"\0")
        head += bytes(4)
    return head


def short(value: int) -> tuple[int, bytes]:
    return 3, struct.pack("<H", value)


def long(value: int) -> tuple[int, bytes]:
    return 4, struct.pack("<I", value)


def strip(width: int, height: int, at: int, photometric: int = 1) -> dict[int, tuple[int, bytes]]:
    """Return the tags of one strip of grey pixels at offset `at`."""
    return {
        256: short(width), 257: short(height), 258: short(8), 259: short(1), 262: short(photometric),
        273: long(at), 277: short(1), 278: short(height), 279: long(width * height),
    }  # fmt: skip


SENSOR = {254: long(0), **strip(99, 99, 8, photometric=32803)}
NEF = tiff({**strip(4, 3, 8), 254: long(1)}, SENSOR, data=bytes(99 * 99))
EXIF = b"Exif\0\0II*\0\x08\0\0\0"


def oriented(kind: int, count: int, value: bytes) -> bytes:
    return EXIF + struct.pack("<HHHI", 1, 0x0112, kind, count) + value + bytes(4)


READ: dict[str, tuple[str, Maker]] = {
    "animated GIF": ("GIF", lambda: frames("GIF")),
    "animated WebP": ("WEBP", lambda: frames("WEBP")),
    "animated PNG": ("PNG", lambda: frames("PNG")),
    "AVIF sequence": ("AVIF", lambda: frames("AVIF")),
    "TIFF of several pages": ("TIFF", lambda: frames("TIFF")),
    "MPO": ("MPO", lambda: frames("MPO")),
    "big TIFF": ("TIFF", lambda: saved("TIFF", big_tiff=True)),
    "TIFF, JPEG inside": ("TIFF", lambda: saved("TIFF", compression="jpeg")),
    "TIFF, LZW": ("TIFF", lambda: saved("TIFF", compression="tiff_lzw")),
    "TIFF, four colours": ("TIFF", lambda: saved("TIFF", Image.new("CMYK", SIZE, (0, 255, 255, 0)))),
    "CMYK JPEG": ("JPEG", lambda: saved("JPEG", Image.new("CMYK", SIZE, (0, 255, 255, 0)), quality=95)),
    "RGB JPEG": ("JPEG", lambda: saved("JPEG", keep_rgb=True)),
    "progressive JPEG": ("JPEG", lambda: saved("JPEG", progressive=True)),
    "JPEG with garbage behind it": ("JPEG", lambda: saved("JPEG") + os.urandom(9999)),
    "JPEG with a video behind it": ("JPEG", lambda: saved("JPEG") + b"\0\0\0\x18ftypmp42" + bytes(999)),
    "lossless WebP": ("WEBP", lambda: saved("WEBP", lossless=True)),
    "16-bit RGB PNG": ("PNG", lambda: chunked(16, 2, (b"\0" + b"\xff\xff\0\0\0\0" * 4) * 4)),
    "16-bit RGBA PNG": ("PNG", lambda: chunked(16, 6, (b"\0" + b"\xff\xff\0\0\0\0\xff\xff" * 4) * 4)),
    "palette": ("PNG", lambda: saved("PNG", plain(mode="P"))),
    "PNG, large text": ("PNG", lambda: red_png(chunk(b"tEXt", b"Comment\0" + b"x" * (5 << 20)))),
    "PNG, large packed text": ("PNG", lambda: red_png(chunk(b"zTXt", b"C\0\0" + zlib.compress(bytes(99 << 20))))),
    "PNG, large packed text behind": (
        "PNG",
        lambda: red_png(after=chunk(b"iTXt", b"C\0\1\0\0\0" + zlib.compress(bytes(99 << 20)))),
    ),
    "PNG, large profile": ("PNG", lambda: red_png(chunk(b"iCCP", b"p\0\0" + zlib.compress(bytes(9 << 20))))),
    "PNG, broken profile": ("PNG", lambda: red_png(chunk(b"iCCP", b"p\0\5junk"))),
    "PNG, empty profile": ("PNG", lambda: red_png(chunk(b"iCCP", b"p\0"))),
    "PNG, a wrong sum over text": ("PNG", lambda: red_png(chunk(b"tEXt", b"C\0a")[:-1] + b"?")),
    "PNG, large EXIF": ("PNG", lambda: saved("PNG", exif=EXIF + bytes(5 << 20))),
    "JPEG, large EXIF": ("JPEG", lambda: saved("JPEG", exif=EXIF + bytes(65_000))),
    "WebP, large EXIF": ("WEBP", lambda: saved("WEBP", exif=EXIF + bytes(5 << 20))),
    "bitmap of 8 bits": ("BMP", lambda: saved("BMP", plain(mode="P"))),
    "bitmap with alpha": ("BMP", lambda: saved("BMP", plain(mode="RGBA"))),
    "bitmap of OS/2": ("BMP", lambda: bmp(12, 4, 24, b"\0\0\xff" * 16)),
    "bitmap from the top": ("BMP", lambda: bmp(40, -4, 24, b"\0\0\xff" * 16)),
    "bitmap of runs": ("BMP", lambda: bmp(40, 4, 8, b"\4\0\0\0" * 4 + b"\0\1", 1, b"\0\0\xff\0" * 256)),
    "bitmap of 15 bits": ("BMP", lambda: bmp(40, 4, 16, b"\0\x7c" * 16)),
    "bitmap of 16 bits": ("BMP", lambda: bmp(40, 4, 16, b"\0\xf8" * 16, 3, struct.pack("<III", 0xF800, 0x7E0, 0x1F))),
    "bitmap of version 5": (
        "BMP",
        lambda: bmp(124, 4, 32, b"\0\0\xff\xff" * 16, 3, struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF << 24)),
    ),
    "raw, whatever its name": ("RAW", lambda: NEF + saved("JPEG")),
    "raw of Fujifilm": ("RAW", lambda: b"FUJIFILMCCD-RAW 0201" + bytes(99) + saved("JPEG")),
    "raw of Canon (3)": ("RAW", lambda: b"\0\0\0\x18ftypcrx \0\0\0\1crx isom" + bytes(99) + saved("JPEG")),
    "raw of Canon (2)": ("RAW", lambda: b"II*\0\x10\0\0\0CR\2\0" + bytes(99) + saved("JPEG")),
    "DNG with a TIFF preview": ("RAW", lambda: saved("TIFF", tiffinfo={50706: b"\1\4\0\0"})),
}  # fmt: skip

REFUSED: dict[str, tuple[str, Maker]] = {
    "nothing": ("is empty", lambda: b""),
    "one byte": ("is not an image of a known format", lambda: b"\xff"),
    "zeros": ("begins with zero bytes", lambda: bytes(5000)),
    "text": ("is a text file, not a photo", lambda: "Grüße\n".encode()),
    "error in JSON": ("is a text file, not a photo", lambda: b'{"error": "not found"}'),
    "web page": ("is a web page (HTML), not a photo", lambda: b"\n<!DOCTYPE html>\n<html>404</html>"),
    "drawing": ("is a drawing (SVG), not a photo", lambda: b'<svg xmlns="http://www.w3.org/2000/svg"/>'),
    "sidecar": ("is an XML file, not a photo", lambda: b"<?xpacket begin=''?>"),
    "video": ("is a video (MP4 or QuickTime), not a photo", lambda: b"\0\0\0\x18ftypisom" + bytes(99)),
    "old video": ("is a video (AVI), not a photo", lambda: b"RIFF\0\0\0\0AVI " + bytes(99)),
    "free video": ("is a video (Matroska or WebM), not a photo", lambda: b"\x1a\x45\xdf\xa3" + bytes(99)),
    "document": ("is a PDF document, not a photo", lambda: b"%PDF-1.7\n" + bytes(99)),
    "archive": ("is a ZIP archive", lambda: b"PK\3\4" + bytes(99)),
    "beside a file": ("a macOS metadata file", lambda: b"\0\5\x16\7\0\2\0\0Mac OS X" + bytes(99)),
    "icon": ("is an icon (ICO): this format is not supported", lambda: saved("ICO")),
    "JPEG 2000": ("is JPEG 2000: this format is not supported", lambda: saved("JPEG2000")),
    "layers": ("is a Photoshop document: this format is not supported", lambda: b"8BPS\0\1" + bytes(99)),
    "JPEG behind a header": ("is a JPEG with other bytes before its start", lambda: b"HTTP/1.1 200 OK\r\n\r\n" + saved("JPEG")),
    "raw without preview": ("is a raw file without a preview", lambda: tiff(SENSOR, data=bytes(99 * 99))),
    "bitmap of a kind": ("uses a variant of its format that is not supported", lambda: bmp(40, 4, 0, saved("JPEG"), 4)),
    "JPEG header alone": ("is damaged or cut short", lambda: saved("JPEG")[:40]),
}  # fmt: skip


def outcome(pool: DecodePool, path: Path, data: bytes) -> Decoded | PhotoError:
    path.write_bytes(data)
    future = pool.submit(os.fsencode(path))
    error = future.exception()
    if error is None:
        return future.result()
    assert isinstance(error, PhotoError), error
    return error


@pytest.mark.parametrize("what", READ)
def test_supported_file_is_decoded_to_its_first_image(pool: DecodePool, tmp_path: Path, what: str) -> None:
    kind, made = READ[what]
    got = outcome(pool, tmp_path / "a.jpg", made())
    assert isinstance(got, Decoded), got
    assert got.facts.format == kind
    assert not got.facts.truncated
    assert np.abs(got.pixels.astype(int) - (255, 0, 0)).max() < 10
    assert got.pixels.shape[:2] == (got.facts.height, got.facts.width)


@pytest.mark.parametrize("what", REFUSED)
def test_unsupported_file_is_refused_with_its_type(pool: DecodePool, tmp_path: Path, what: str) -> None:
    sentence, made = REFUSED[what]
    got = outcome(pool, tmp_path / "a.jpg", made())
    assert isinstance(got, PhotoError)
    assert sentence in str(got)
    assert str(tmp_path / "a.jpg") in str(got)
    assert got.hint or got.transient  # what is tried again needs no advice


def test_heif_with_several_images(pool: DecodePool, tmp_path: Path) -> None:
    pillow_heif = pytest.importorskip("pillow_heif", reason="pillow-heif is not installed")
    file, container = io.BytesIO(), pillow_heif.HeifFile()
    for colour in ("red", "blue"):
        container.add_from_pillow(plain(colour))
    container.save(file, quality=95)
    got = outcome(pool, tmp_path / "a.jpg", file.getvalue())
    assert isinstance(got, Decoded)
    assert got.facts.format == "HEIF"
    assert got.pixels[0, 0, 0] > 240


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize(
    "exif",
    [
        oriented(3, 1, b"\0\0\0\0"),
        oriented(3, 1, b"\x09\0\0\0"),
        oriented(2, 2, b"6\0\0\0"),
        oriented(9, 1, b"\xff\xff\xff\xff"),
        oriented(5, 1, b"\0\0\0\0"),
        oriented(99, 1, bytes(4)),
    ],
    ids=["0", "9", "string", "negative", "nowhere", "no type"],
)
def test_an_invalid_orientation_is_ignored(pool: DecodePool, tmp_path: Path, kind: str, exif: bytes) -> None:
    got = outcome(pool, tmp_path / "a", saved(kind, exif=exif))
    assert isinstance(got, Decoded)
    assert got.pixels.shape == (48, 64, 3)


@pytest.mark.parametrize(
    ("name", "kind"), [("a.raw", "JPEG"), ("a.dng", "TIFF"), ("a.NEF", "PNG"), ("a.cr3", "WEBP")]
)
def test_an_ordinary_image_with_a_raw_extension_is_decoded_as_itself(
    pool: DecodePool, tmp_path: Path, name: str, kind: str
) -> None:
    got = outcome(pool, tmp_path / name, saved(kind))
    assert isinstance(got, Decoded)
    assert got.facts.format == kind
    text = outcome(pool, tmp_path / name, b"no picture\n")
    assert "is a text file" in str(text)


def test_the_orientation_of_the_first_directory_applies_to_previews_in_others(
    pool: DecodePool, tmp_path: Path
) -> None:
    """A DNG with a thumbnail and the orientation in the first directory, and a larger grey preview in a SubIFD."""
    grey = bytes(range(0, 240, 4)) * 40  # 60 x 40, brighter to the right
    first = {**strip(4, 3, 8), 254: long(1), 0x0112: short(6), 50706: (1, b"\1\4\0\0")}
    (tmp_path / "a.dng").write_bytes(tiff(first, {254: long(1), **strip(60, 40, 8)}, data=grey))
    before = (tmp_path / "a.dng").read_bytes()
    got = pool.submit(os.fsencode(tmp_path / "a.dng")).result()
    assert (got.facts.format, got.facts.width, got.facts.height) == ("RAW", 40, 60)
    assert got.pixels[0].mean() < 10  # rotated clockwise: brighter towards the bottom
    assert got.pixels[-1].mean() > 225
    assert (tmp_path / "a.dng").read_bytes() == before


def test_the_largest_preview_is_used_whatever_its_format() -> None:
    small, large = saved("JPEG", plain(size=(20, 10))), saved("JPEG", plain(size=(80, 70)))
    grey = bytes(60 * 40)
    page = tiff({**strip(4, 3, 8), 50706: (1, b"\1\4\0\0")}, strip(60, 40, 8), data=grey)
    found = raw_files.largest_preview(page + small)
    assert found is not None
    assert (found.kind, found.width, found.height) == ("TIFF", 60, 40)
    found = raw_files.largest_preview(page + small + large)
    assert found is not None
    assert (found.kind, found.width, found.height) == ("JPEG", 80, 70)
    assert raw_files.largest_preview(tiff(SENSOR)) is None


@given(st.binary(max_size=400), st.sampled_from([b"II*\0", b"MM\0*"]), st.integers(0, 420))
def test_directory_search_accepts_any_bytes(data: bytes, head: bytes, at: int) -> None:
    file = head + at.to_bytes(4, "little" if head[:1] == b"I" else "big") + data
    found = raw_files.largest_preview(file)
    assert found is None or (found.width > 0 and found.height > 0 and 0 <= found.offset < len(file))
    assert raw_files.is_raw(file) in (True, False)


def test_cyclic_directories_are_read_once() -> None:
    circle = tiff(strip(4, 3, 8), strip(6, 5, 8), data=bytes(99))
    first = struct.unpack_from("<I", circle, 4)[0]
    assert raw_files.largest_preview(circle[:-4] + struct.pack("<I", first)) == raw_files.largest_preview(
        circle
    )


@given(st.binary(max_size=64))
def test_every_header_gets_a_message(head: bytes) -> None:
    error = formats.unsupported_format("a.jpg", head)
    assert str(error).startswith("a.jpg ")
    assert str(error).isprintable()
    assert error.hint


@given(st.binary(max_size=200), st.integers(0, 200))
def test_a_png_without_ancillary_chunks_has_the_same_image(data: bytes, length: int) -> None:
    assume(not data.startswith(b"Raw profile type "))  # EXIF, which is kept
    whole = red_png(before=chunk(b"tEXt", data), after=chunk(b"zzZz", data))
    cut = whole[: len(whole) - length]
    kept = png.without_ancillary_chunks(io.BytesIO(cut)).read()
    assert len(kept) <= len(cut)
    assert png.without_ancillary_chunks(io.BytesIO(whole)).read() == red_png()
    assert png.without_ancillary_chunks(io.BytesIO(data)).read(8) == data[:8]


def test_exif_that_imagemagick_writes_as_text_is_kept(pool: DecodePool, tmp_path: Path) -> None:
    exif = EXIF + struct.pack("<HHHI", 1, 0x0110, 2, 4) + b"K-1\0" + bytes(4)
    profile = f"\nexif\n{len(exif):8}\n{exif.hex()}\n".encode()
    packed = b"Raw profile type exif\0\0" + zlib.compress(profile)
    got = outcome(pool, tmp_path / "a.png", red_png(before=chunk(b"zTXt", packed)))
    assert isinstance(got, Decoded)
    assert got.facts.camera == "K-1"
