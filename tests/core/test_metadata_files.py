"""Metadata of real files: `tests/data/metadata` was written by exiftool (`tests/data/metadata_photos.py`)."""

from __future__ import annotations

import json
import os
import shutil
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imgret.decode.pool import DecodePool
from imgret.photo import Face, Metadata, PhotoDate

DATA = Path(__file__).parent.parent / "data" / "metadata"
FORMATS = ("jpg", "png", "webp", "tif", "heic", "avif", "jxl", "gif", "dng")
XMP = """<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:xmp="http://ns.adobe.com/xap/1.0/" {attributes}>
{body}</rdf:Description></rdf:RDF></x:xmpmeta>"""


@pytest.fixture(scope="module")
def pool() -> Iterator[DecodePool]:
    with DecodePool(1) as made:
        yield made


def read(pool: DecodePool, path: Path, *sidecars: Path) -> Metadata:
    """The metadata of a photo, without decoding its pixels."""
    decoded = pool.submit(
        os.fsencode(path), sidecars=[os.fsencode(each) for each in sidecars], with_pixels=False
    ).result()
    assert decoded.pixels.size == 0
    return decoded.metadata


def sidecar(folder: Path, body: str, attributes: str = "", name: str = "a.jpg.xmp") -> Path:
    path = folder / name
    path.write_text(XMP.format(body=body, attributes=attributes), encoding="utf-8")
    return path


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A photo without metadata."""
    return Path(shutil.copy(DATA / "camera.jpg", tmp_path / "a.jpg"))


@pytest.mark.parametrize("suffix", FORMATS)
def test_xmp_of_every_format(pool: DecodePool, suffix: str) -> None:
    if suffix == "jxl":
        pytest.importorskip("pillow_jxl", reason="the extra jxl is not installed")
    assert read(pool, DATA / f"xmp.{suffix}") == Metadata(
        title="Evening in Vernazza",
        description="The harbour after the storm, seen from the tower",
        keywords=("harbour", "Überfahrt"),
        paths=("Places|Italy|Vernazza",),
        rating=4,
        label="red",
        creator=("Anna Muster",),
        copyright="© Anna Muster",
        taken=PhotoDate(1563136265, "xmp", zone=120, subsecond="25"),  # 2019-07-14T20:31:05
        position=(44.1349, 9.6838),
    )


def test_the_same_metadata_comes_with_the_pixels(pool: DecodePool) -> None:
    decoded = pool.submit(os.fsencode(DATA / "xmp.jpg")).result()
    assert decoded.pixels.shape == (24, 32, 3)
    assert decoded.metadata == read(pool, DATA / "xmp.jpg")


@pytest.mark.parametrize("name", ["iptc_utf8.jpg", "iptc_latin1.jpg", "iptc_mac.jpg", "iptc.tif"])
def test_iptc_in_its_encodings(pool: DecodePool, name: str) -> None:
    assert read(pool, DATA / name) == Metadata(
        title="Fähre",
        description="Die Fähre verläßt Genua",
        keywords=("Überfahrt", "Genua"),
        creator=("Jörg Müller",),
        location=("Genova",),
        taken=PhotoDate(1304702299, "iptc", zone=120),  # 2011-05-06T17:18:19
    )


def test_exif(pool: DecodePool) -> None:
    assert read(pool, DATA / "exif.jpg") == Metadata(
        description="A bridge in Zürich",
        creator=("Anna Muster",),
        copyright="Free to use",
        taken=PhotoDate(1078056001, "exif", zone=-210, subsecond="07"),  # 2004-02-29T12:00:01
    )
    assert read(pool, DATA / "comment.jpg").description == "Seen from the 電車"


def test_the_fields_of_windows(pool: DecodePool) -> None:
    assert read(pool, DATA / "windows.jpg") == Metadata(
        title="Ein schöner Tag",
        description="Auf dem Gipfel",
        keywords=("Reisen", "Alpen", "berg", "schnee"),
        paths=("Reisen|Alpen",),
        people=("Anna Muster",),
        faces=(Face("Anna Muster", (0.25, 0.5, 0.5, 0.75)),),
        rating=3,
        creator=("Anna Muster", "Jörg Müller"),
    )


def test_faces_and_people(pool: DecodePool) -> None:
    found = read(pool, DATA / "faces.jpg")
    assert found.people == ("Jörg Müller", "Anna Muster")
    assert found.faces == (Face("Jörg Müller", (0.4, 0.3, 0.6, 0.7)),)


def test_digikam(pool: DecodePool) -> None:
    found = read(pool, DATA / "digikam.jpg")
    assert found.paths == ("People|Anna", "Journeys|Liguria|2019")
    assert (found.rating, found.label) == (-1, "green")


def test_extended_xmp(pool: DecodePool) -> None:
    found = read(pool, DATA / "extended.jpg")
    assert found.title == "A long story"
    assert found.keywords == ("stories",)
    assert found.description is not None
    assert found.description == ("it went on " * 500)[:5000]


def test_what_cameras_write_into_every_file_is_no_description(pool: DecodePool) -> None:
    assert read(pool, DATA / "camera.jpg") == Metadata()


def test_impossible_dates(pool: DecodePool) -> None:
    (zeros,) = read(pool, DATA / "no_date.jpg").problems
    assert zeros.startswith("the EXIF of no_date.jpg has the date 0000:00:00 00:00:00, which is impossible")
    future = read(pool, DATA / "future.jpg")
    assert future.taken == PhotoDate(1462060800, "xmp", "month")  # 2016-05, of the XMP
    assert future.problems == ("the EXIF date of future.jpg is in the year 2099, so it is not used",)


def test_a_sidecar_of_exiftool(pool: DecodePool, photo: Path) -> None:
    assert read(pool, photo, DATA / "sidecar.xmp") == Metadata(
        keywords=("lighthouse",), rating=5, taken=PhotoDate(1356307200, "sidecar", "day")
    )


def test_the_camera_dates_a_photo_and_the_sidecar_rates_it(pool: DecodePool) -> None:
    found = read(pool, DATA / "xmp.jpg", DATA / "sidecar.xmp")
    assert found.taken is not None
    assert (found.taken.source, found.rating) == ("xmp", 5)
    assert found.keywords == ("lighthouse", "harbour", "Überfahrt")
    assert found.problems == ()


def test_two_sidecars_that_disagree(pool: DecodePool, photo: Path, tmp_path: Path) -> None:
    first = sidecar(tmp_path, "", 'xmp:Rating="2"')
    second = sidecar(tmp_path, "<dc:subject>tower</dc:subject>", 'xmp:Rating="5"', "a.xmp")
    for at, rating, last in ((1, 2, "a.jpg.xmp and a.xmp"), (1 << 31, 5, "a.xmp and a.jpg.xmp")):
        os.utime(second, (at, at))  # the one that was written last counts
        found = read(pool, photo, first, second)
        assert (found.rating, found.keywords) == (rating, ("tower",))
        assert found.problems == (f"{last} disagree on the rating; {last.split()[0]} is used",)


def test_takeout(pool: DecodePool, photo: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.jpg.json"
    described = {
        "title": "a.jpg",
        "description": "Ein Turm",
        "photoTakenTime": {"timestamp": "1457086272", "formatted": "..."},
        "geoData": {"latitude": 0.0, "longitude": 0.0},
        "geoDataExif": {"latitude": 44.1349, "longitude": 9.6838},
        "people": [{"name": "Anna"}],
        "favorited": True,
    }
    path.write_text(json.dumps(described))
    assert read(pool, photo, path) == Metadata(
        description="Ein Turm",
        people=("Anna",),
        rating=5,
        taken=PhotoDate(1457086272, "sidecar", zone=0),
        position=(44.1349, 9.6838),
    )
    path.write_text(json.dumps(described | {"title": "b.jpg"}))
    assert read(pool, photo, path) == Metadata(problems=("a.jpg.json describes b.jpg, not this photo",))
    path.write_text('{"name": "a program\'s own JSON"}')
    assert read(pool, photo, path) == Metadata()
    path.write_text('{"title": "a.jpg", ')
    assert read(pool, photo, path).problems[0].startswith("a.jpg.json is not valid JSON: ")
    path.write_text('{"title": "a.jpg", "description": ' + "[" * 100_000)
    assert read(pool, photo, path).problems[0].startswith("a.jpg.json is not valid JSON: ")
    path.write_text("[" * 100_000)  # no description of a photo
    assert read(pool, photo, path) == Metadata()


LAUGHS = (
    "<!DOCTYPE x ["
    + '<!ENTITY a "ha">'
    + "".join(f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(9))
    + "]>"
)


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        (b"", "a.jpg.xmp is not valid XML: no element found"),
        (b"\0\0\0", "a.jpg.xmp is not valid XML: "),
        (b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>", "a.jpg.xmp contains no RDF"),
        (LAUGHS.encode() + b"<x>&j;</x>", "a.jpg.xmp declares a document type"),
        (b"<a>" * 100_000, "a.jpg.xmp has too many or too deeply nested elements"),
        (b"<r>" + b"<a/>" * 300_000 + b"</r>", "a.jpg.xmp has too many or too deeply nested elements"),
        (b" " * ((16 << 20) + 1), "a.jpg.xmp has 16 MB; at most 16 are read"),
    ],
    ids=["empty", "zeros", "no RDF", "laughs", "deep", "long", "large"],
)
def test_a_broken_sidecar_is_reported(
    pool: DecodePool, photo: Path, tmp_path: Path, written: bytes, sentence: str
) -> None:
    path = tmp_path / "a.jpg.xmp"
    path.write_bytes(written)
    found = read(pool, photo, path, DATA / "sidecar.xmp")
    assert len(found.problems) == 1
    assert found.problems[0].startswith(sentence)
    assert found.keywords == ("lighthouse",)


def test_only_bytes_that_are_not_utf8_are_replaced(pool: DecodePool, photo: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.jpg.xmp"
    whole = XMP.format(body="<dc:title>Am Fl\xfc\x02gel</dc:title>", attributes="")
    path.write_bytes(b"garbage" + whole.encode("latin-1") + b"\0\0 more")
    found = read(pool, photo, path)
    assert found == Metadata(title="Am Fl\N{REPLACEMENT CHARACTER} gel")


def test_long_texts_are_cut(pool: DecodePool, photo: Path, tmp_path: Path) -> None:
    words = "".join(
        f"<rdf:li>{number} {'x' * 1_000_000 if number == 1 else 'y' * 300}</rdf:li>" for number in range(600)
    )
    found = read(pool, photo, sidecar(tmp_path, f"<dc:subject><rdf:Bag>{words}</rdf:Bag></dc:subject>"))
    assert "has a keyword of 1,000,002 characters, of which 200 are kept" in found.problems[0]
    assert "has 600 keywords, of which 500 are kept" in found.problems[1]
    assert 100 < len(found.keywords) <= 500
    assert max(map(len, found.keywords)) == 200
    assert found.keywords[1] == "1 " + "x" * 198


def test_no_text_controls_a_terminal(pool: DecodePool, photo: Path, tmp_path: Path) -> None:
    path = sidecar(tmp_path, "<dc:title>a\u202ered \u009b31m car&#x9b;</dc:title>")
    assert read(pool, photo, path).title == "a red 31m car"


def test_a_sidecar_that_is_no_file(pool: DecodePool, photo: Path, tmp_path: Path) -> None:
    link, fifo, folder = tmp_path / "a.xmp", tmp_path / "a.jpg.xmp", tmp_path / "a.jpg.json"
    link.symlink_to(DATA / "sidecar.xmp")
    os.mkfifo(fifo)
    folder.mkdir()
    found = read(pool, photo, tmp_path / "missing.xmp", fifo, link, folder)
    assert found.keywords == ()
    assert all("cannot be read" in problem for problem in found.problems)


def test_compressed_xmp_of_a_png(pool: DecodePool, tmp_path: Path) -> None:
    data = (DATA / "camera.jpg").with_name("xmp.png").read_bytes()
    packet = zlib.compress(XMP.format(body="<dc:title>Packed</dc:title>", attributes="").encode())
    body = b"iTXt" + b"XML:com.adobe.xmp\0\1\0\0\0" + packet
    chunk = (len(body) - 4).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")
    path = tmp_path / "a.png"
    path.write_bytes(data[:33] + chunk + data[33:])
    assert read(pool, path).title == "Packed"


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(
        ["xmp.jpg", "iptc_mac.jpg", "exif.jpg", "windows.jpg", "xmp.tif", "xmp.png", "sidecar.xmp"]
    ),
    place=st.floats(0, 1),
    put=st.binary(max_size=12),
    gone=st.integers(0, 40),
)
def test_damage_never_stops_a_photo(
    pool: DecodePool, photo: Path, tmp_path: Path, name: str, place: float, put: bytes, gone: int
) -> None:
    """The metadata may be lost, but the decoder responds, with a sentence or an error of the photo."""
    data = (DATA / name).read_bytes()
    at = int(place * len(data))
    damaged = tmp_path / f"damaged-{name}"
    damaged.write_bytes(data[:at] + put + data[at + gone :])
    is_sidecar = name.endswith(".xmp")
    future = pool.submit(
        os.fsencode(photo if is_sidecar else damaged), sidecars=[os.fsencode(damaged)] if is_sidecar else []
    )
    error = future.exception()
    assert not is_sidecar or error is None
    if error is not None:
        assert "decoder crashed" not in str(error)
