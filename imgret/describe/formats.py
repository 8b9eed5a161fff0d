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
    TiffImagePlugin,  # noqa: F401
    WebPImagePlugin,  # noqa: F401
)

from imgret.errors import PhotoError

_HEIF = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1")
_BITMAP_HEADERS = (12, 40, 52, 56, 64, 108, 124)  # lengths of BMP's second header


def sniff(head: bytes) -> str | None:
    """Pillow's name of the format that begins with these bytes (32 are enough); None for all others."""
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
        brands = [head[i : i + 4] for i in (8, *range(16, 32, 4))]
        if b"avif" in brands or b"avis" in brands:
            return "AVIF"
        return "HEIF" if any(brand in _HEIF for brand in brands) else None
    if head.startswith(b"BM") and int.from_bytes(head[14:18], "little") in _BITMAP_HEADERS:
        return "BMP"
    return None


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
    return image.format in ("TIFF", "HEIF") or (image.format == "JXL" and not getattr(image, "jpeg", False))
