"""Make the photos in `tests/data/metadata` with Pillow, and write metadata into them with exiftool (12.57 was used).

    python tests/data/metadata_photos.py

Needs exiftool (`apt-get install libimage-exiftool-perl`). The photos are checked in, so the tests do not need it.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pillow_heif
import pillow_jxl  # noqa: F401 - registers the format
from PIL import Image

FOLDER = Path(__file__).parent / "metadata"

COMMON = (
    "-XMP-dc:Title=Evening in Vernazza",
    "-XMP-dc:Description=The harbour after the storm, seen from the tower",
    "-XMP-dc:Subject=harbour",
    "-XMP-dc:Subject=Überfahrt",
    "-XMP-lr:HierarchicalSubject=Places|Italy|Vernazza",
    "-XMP-dc:Creator=Anna Muster",
    "-XMP-dc:Rights=© Anna Muster",
    "-XMP-xmp:Rating=4",
    "-XMP-xmp:Label=Red",
    "-XMP-exif:DateTimeOriginal=2019:07:14 20:31:05.25+02:00",
    "-XMP-exif:GPSLatitude=44.1349",
    "-XMP-exif:GPSLongitude=9.6838",
)
IPTC = (
    "-IPTC:ObjectName=Fähre",
    "-IPTC:Caption-Abstract=Die Fähre verläßt Genua",
    "-IPTC:Keywords=Überfahrt",
    "-IPTC:Keywords=Genua",
    "-IPTC:By-line=Jörg Müller",
    "-IPTC:City=Genova",
    "-IPTC:DateCreated=2011:05:06",
    "-IPTC:TimeCreated=17:18:19+02:00",
)
FILES: dict[str, tuple[str, ...]] = {
    **{
        f"xmp.{suffix}": COMMON
        for suffix in ("jpg", "png", "webp", "tif", "heic", "avif", "jxl", "gif", "dng")
    },
    "iptc_utf8.jpg": ("-charset", "iptc=UTF8", "-IPTC:CodedCharacterSet=UTF8", *IPTC),
    "iptc_latin1.jpg": ("-charset", "iptc=Latin1", *IPTC),
    "iptc_mac.jpg": ("-charset", "iptc=MacRoman", *IPTC),
    "iptc.tif": ("-IPTC:CodedCharacterSet=UTF8", *IPTC),
    "exif.jpg": (
        "-EXIF:ImageDescription=A bridge in Zürich",
        "-EXIF:UserComment=Seen from the 電車",
        "-EXIF:Artist=Anna Muster",
        "-EXIF:Copyright=Free to use",
        "-EXIF:DateTimeOriginal=2004:02:29 12:00:01",
        "-EXIF:SubSecTimeOriginal=070",
        "-EXIF:OffsetTimeOriginal=-03:30",
    ),
    "comment.jpg": ("-EXIF:UserComment=Seen from the 電車",),
    "windows.jpg": (
        "-EXIF:XPTitle=Ein schöner Tag",
        "-EXIF:XPComment=Auf dem Gipfel",
        "-EXIF:XPAuthor=Anna Muster;Jörg Müller",
        "-EXIF:XPKeywords=berg;schnee",
        "-EXIF:Rating=3",
        "-XMP-microsoft:LastKeywordXMP=Reisen/Alpen",
        "-XMP-MP:RegionInfoMP={Regions=[{PersonDisplayName=Anna Muster,Rectangle=0.25|, 0.5|, 0.25|, 0.25}]}",
    ),
    "faces.jpg": (
        "-XMP-mwg-rs:RegionInfo={AppliedToDimensions={W=32,H=24,Unit=pixel},RegionList=["
        "{Area={X=0.5,Y=0.5,W=0.2,H=0.4,Unit=normalized},Name=Jörg Müller,Type=Face},"
        "{Area={X=0.1,Y=0.1,W=0.1,H=0.1,Unit=normalized},Name=the focus,Type=Focus}]}",
        "-XMP-iptcExt:PersonInImage=Anna Muster",
    ),
    "digikam.jpg": (
        "-XMP-digiKam:TagsList=People/Anna",
        "-XMP-digiKam:TagsList=Journeys/Liguria/2019",
        "-XMP-digiKam:ColorLabel=4",
        "-XMP-xmp:Rating=-1",
    ),
    "extended.jpg": (
        "-XMP-dc:Title=A long story",
        "-XMP-dc:Subject=stories",
        "-XMP-dc:Description=" + "it went on " * 7000,
    ),
    "camera.jpg": ("-EXIF:ImageDescription=OLYMPUS DIGITAL CAMERA", "-XMP-dc:Title=SONY DSC"),
    "no_date.jpg": ("-EXIF:DateTimeOriginal#=0000:00:00 00:00:00",),
    "future.jpg": ("-EXIF:DateTimeOriginal=2099:01:01 00:00:00", "-XMP-photoshop:DateCreated=2016:05"),
}
SIDECARS: dict[str, tuple[str, ...]] = {
    "sidecar.xmp": (
        "-XMP-dc:Subject=lighthouse",
        "-XMP-xmp:Rating=5",
        "-XMP-exif:DateTimeOriginal=2012:12:24",
    ),
}


def make(path: Path) -> None:
    """Draw a small photo in the format of its suffix."""
    image = Image.new("RGB", (32, 24), (200, 120, 40))
    kind = {"jpg": "JPEG", "tif": "TIFF", "dng": "TIFF", "heic": "HEIF"}.get(
        path.suffix[1:], path.suffix[1:].upper()
    )
    image.save(path, kind, **({"lossless": True} if kind == "JXL" else {}))


def main() -> None:
    """Make all files again."""
    pillow_heif.register_heif_opener()
    FOLDER.mkdir(exist_ok=True)
    for old in FOLDER.iterdir():
        old.unlink()
    for name, arguments in FILES.items():
        make(FOLDER / name)
        if name.endswith(".dng"):
            arguments = ("-DNGVersion=1.4.0.0", *arguments)
        command = ["exiftool", "-q", "-m", "-overwrite_original", *arguments, str(FOLDER / name)]
        subprocess.run(command, check=True)
    for name, arguments in SIDECARS.items():
        subprocess.run(["exiftool", "-q", "-m", *arguments, str(FOLDER / name)], check=True)


if __name__ == "__main__":
    main()
