"""Recognise image formats by their first bytes, and load the Pillow plugin for each.

Only the formats listed here are decoded, whatever the file's extension is.
"""

from __future__ import annotations

# Import the plugins by name: otherwise Pillow imports all fifty when it meets a format that is not loaded yet.
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,  # noqa: F401
    GifImagePlugin,  # noqa: F401
    Image,
    JpegImagePlugin,  # noqa: F401
    MpoImagePlugin,  # noqa: F401
    PngImagePlugin,  # noqa: F401
    TiffImagePlugin,
    WebPImagePlugin,  # noqa: F401
)

from imgret.errors import PhotoError

_HEIF = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1")
_FOREIGN = (
    (b"\0\x05\x16\x07", "a macOS metadata file (AppleDouble)"),
    (b"\0\x05\x16\x00", "a macOS metadata file (AppleSingle)"),
    (b"%PDF", "a PDF document"),
    (b"%!PS", "a PostScript document"),
    (b"PK\x03\x04", "a ZIP archive or an office document"),
    (b"Rar!", "a RAR archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"\x1a\x45\xdf\xa3", "a video (Matroska or WebM)"),
    (b"\x30\x26\xb2\x75", "a video (Windows Media)"),
    (b"\0\0\x01\xba", "a video (MPEG)"),
    (b"\0\0\x01\xb3", "a video (MPEG)"),
    (b"FLV\x01", "a video (Flash)"),
    (b"ID3", "an audio file (MP3)"),
    (b"OggS", "an audio or video file (Ogg)"),
    (b"fLaC", "an audio file (FLAC)"),
    (b"\xffWPC", "a WordPerfect document"),
    (b"SQLite format 3\0", "a database (SQLite)"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
    (b"version https://git-lfs", "a Git LFS pointer"),
)
_UNSUPPORTED = (
    (b"8BPS", "a Photoshop document"),
    (b"gimp xcf", "a GIMP document"),
    (b"\0\0\x01\0", "an icon (ICO)"),
    (b"P5\n", "a PGM image"),
    (b"P6\n", "a PPM image"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"qoif", "a QOI image"),
    (b"v/1\x01", "an OpenEXR image"),
    (b"#?RADIANCE", "a Radiance HDR image"),
    (b"DDS ", "a DDS texture"),
    (b"BPG\xfb", "a BPG image"),
    (b"AT&TFORM", "a DjVu document"),
)
_BITMAP_HEADERS = (12, 40, 52, 56, 64, 108, 124)  # lengths of BMP's second header


def sniff(head: bytes) -> str | None:
    """Return Pillow's name of the format of a file that begins with `head` (64 bytes are enough); None if unknown."""
    if head.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "WEBP"
    if head.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")):
        return "TIFF"
    if head.startswith((b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n")):
        return "JXL"
    if head[4:8] == b"ftyp":
        end = min(int.from_bytes(head[:4], "big"), len(head))
        brands = [head[8:12], *(head[i : i + 4] for i in range(16, end, 4))]
        if b"avif" in brands or b"avis" in brands:
            return "AVIF"
        return "HEIF" if any(brand in _HEIF for brand in brands) else None
    if head.startswith(b"BM") and int.from_bytes(head[14:18], "little") in _BITMAP_HEADERS:
        return "BMP"
    return None


def unsupported_format(name: str, head: bytes) -> PhotoError:
    """Return the error for a file whose first 64 bytes, `head`, match no supported format."""
    what = next((what for beginning, what in _UNSUPPORTED if head.startswith(beginning)), None)
    if what is not None:
        return PhotoError(
            f"{name} is {what}: this format is not supported", "Exclude it, or export it as JPEG."
        )
    if not any(head):
        return PhotoError(
            f"{name} begins with zero bytes: it was probably not copied or downloaded completely",
            "Copy it again from its source.",
            transient=True,
        )
    if b"\xff\xd8\xff" in head:
        return PhotoError(
            f"{name} is a JPEG with other bytes before its start",
            "Remove these bytes, or copy the file again from its source.",
        )
    what = _kind(head)
    reason = f"is {what}, not a photo" if what else "is not an image of a known format"
    return PhotoError(f"{name} {reason}", "Exclude it, or correct its file extension.")


def _kind(head: bytes) -> str | None:
    """Return the type of a file that is not a photo, such as 'a video (AVI)'; None if unknown."""
    if head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"skip"):
        return "a video (MP4 or QuickTime)"
    if head.startswith(b"RIFF"):
        return {b"AVI ": "a video (AVI)", b"WAVE": "an audio file (WAV)"}.get(head[8:12], "a RIFF file")
    for beginning, what in _FOREIGN:
        if head.startswith(beginning):
            return what
    written = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if written.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return "a web page (HTML)"
    if written.startswith(b"<svg") or (written.startswith(b"<?xml") and b"<svg" in written):
        return "a drawing (SVG)"
    if written.startswith((b"<?xml", b"<!doctype", b"<x:xmpmeta", b"<?xpacket")):
        return "an XML file"
    return "a text file" if _is_text(head) else None


def _is_text(head: bytes) -> bool:
    try:
        written = head.decode()
    except UnicodeDecodeError as error:
        if error.end < len(head):
            return False
        written = head[: error.start].decode()
    return bool(written) and all(character.isprintable() or character in "\t\r\n\f" for character in written)


def prepare(kind: str, name: str) -> None:
    """Load the Pillow plugin of HEIF, AVIF or JPEG XL, limited to one thread. Raises PhotoError if it is missing.

    Each thread needs address space, which is limited in a decoder process.
    """
    if kind == "HEIF":
        import pillow_heif

        pillow_heif.register_heif_opener(thumbnails=False, decode_threads=1)
    elif kind == "AVIF":
        AvifImagePlugin.DEFAULT_MAX_THREADS = 1
    elif kind == "JXL":
        try:
            from pillow_jxl import JpegXLImagePlugin
        except ImportError:
            raise PhotoError(
                f"{name} is JPEG XL, whose decoder is not installed", "Install imgret[jxl]."
            ) from None
        JpegXLImagePlugin.DECODE_THREADS = 0


def applies_orientation(image: Image.Image) -> bool:
    """Return whether Pillow's decoder applies the orientation itself: then it must not be applied again.

    In JPEG XL the orientation of the codestream is valid, except where it contains a losslessly packed JPEG.
    """
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        # The preview of a raw file may have its orientation in another directory, which Pillow does not apply.
        return 0x0112 in image.tag_v2
    return image.format == "HEIF" or (image.format == "JXL" and not getattr(image, "jpeg", False))
