"""Which picture formats are decoded, told by their first bytes, and by which of Pillow's plugins.

Only what is listed here reaches a decoder, whatever a file is called.
"""

from __future__ import annotations

# The plugins by name: Pillow would import all fifty of them to find one that it does not know yet.
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
    (b"\0\x05\x16\x07", "what a Mac keeps beside a file (AppleDouble)"),
    (b"\0\x05\x16\x00", "what a Mac keeps beside a file (AppleSingle)"),
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
    (b"ID3", "a sound (MP3)"),
    (b"OggS", "a sound or video (Ogg)"),
    (b"fLaC", "a sound (FLAC)"),
    (b"\xffWPC", "a WordPerfect document"),
    (b"SQLite format 3\0", "a database (SQLite)"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
    (b"version https://git-lfs", "a pointer of Git LFS"),
)
_UNSUPPORTED = (
    (b"8BPS", "a Photoshop document"),
    (b"gimp xcf", "a GIMP document"),
    (b"\0\0\x01\0", "an icon (ICO)"),
    (b"P5\n", "a PGM picture"),
    (b"P6\n", "a PPM picture"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"qoif", "a QOI picture"),
    (b"v/1\x01", "an OpenEXR picture"),
    (b"#?RADIANCE", "a Radiance HDR picture"),
    (b"DDS ", "a DDS texture"),
    (b"BPG\xfb", "a BPG picture"),
    (b"AT&TFORM", "a DjVu document"),
)
_BITMAP_HEADERS = (12, 40, 52, 56, 64, 108, 124)  # lengths of BMP's second header


def sniff(head: bytes) -> str | None:
    """Pillow's name of the format that begins with these bytes (64 are enough); None for all others."""
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


def foreign(name: str, head: bytes) -> PhotoError:
    """Why a file is refused whose first 64 bytes are those of no known format."""
    what = next((what for beginning, what in _UNSUPPORTED if head.startswith(beginning)), None)
    if what is not None:
        return PhotoError(f"{name} is {what}: this format is not read", "Exclude it, or export it as JPEG.")
    if not any(head):
        return PhotoError(
            f"{name} begins with zeros, as what was not copied or downloaded to its end",
            "Copy it again from where it came.",
            transient=True,
        )
    if b"\xff\xd8\xff" in head:
        return PhotoError(
            f"{name} is a JPEG with other bytes before it",
            "Remove these, or copy it again from where it came.",
        )
    what = _kind(head)
    said = f"is {what}, not a photo" if what else "is not a picture of a known format"
    return PhotoError(f"{name} {said}", "Exclude it, or correct its name.")


def _kind(head: bytes) -> str | None:
    """What a file is that is no photo, as 'a video (AVI)'."""
    if head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"skip"):
        return "a video (MP4 or QuickTime)"
    if head.startswith(b"RIFF"):
        return {b"AVI ": "a video (AVI)", b"WAVE": "a sound (WAV)"}.get(head[8:12], "a RIFF file")
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
    return "a text" if _is_text(head) else None


def _is_text(head: bytes) -> bool:
    try:
        written = head.decode()
    except UnicodeDecodeError as error:
        if error.end < len(head):
            return False
        written = head[: error.start].decode()
    return bool(written) and all(character.isprintable() or character in "\t\r\n\f" for character in written)


def prepare(kind: str, name: str) -> None:
    """Load the plugin of a rare format; one thread each, for threads cost address space."""
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


def turns_itself(image: Image.Image) -> bool:
    """Whether the decoder applies the orientation: then EXIF's must not be applied once more.

    In JPEG XL the codestream's orientation counts, except where a JPEG is packed in it as it was.
    """
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        return (
            0x0112 in image.tag_v2
        )  # the preview of a raw file may have its orientation in another directory
    return image.format == "HEIF" or (image.format == "JXL" and not getattr(image, "jpeg", False))
