"""EXIF as cameras write it, and as nobody should."""

from __future__ import annotations

import io
import math
from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from imgret.describe.facts import camera, degrees, facts, taken_at, text, turned, upright_size

anything: st.SearchStrategy[object] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary()
    | st.builds(IFDRational, st.integers(0, 2**32 - 1), st.integers(0, 5)),
    lambda inner: st.lists(inner, max_size=4) | st.tuples(inner, inner) | st.tuples(inner, inner, inner),
    max_leaves=8,
)
tags = st.dictionaries(
    st.sampled_from([0x010F, 0x0110, 0x0112, 0x0132, 0x9003, 0x9004, 1, 2, 3, 4]), anything, max_size=10
)


@pytest.mark.parametrize(
    ("make", "model", "said"),
    [
        ("Canon", "Canon EOS R5", "Canon EOS R5"),
        ("NIKON CORPORATION", "NIKON D90", "NIKON D90"),
        ("Apple", "iPhone 12", "Apple iPhone 12"),
        ("SONY", "ILCE-7M3\0\0\0junk", "SONY ILCE-7M3"),
        ("  Panasonic ", None, "Panasonic"),
        (None, "DMC-FZ50", "DMC-FZ50"),
        (b"Pentax", b"K-1", "Pentax K-1"),
        ("\x1b]0;owned\x07", "", "]0;owned"),
        (None, None, None),
        (7, (1, 2), None),
    ],
)
def test_camera(make: object, model: object, said: str | None) -> None:
    assert camera(make, model) == said


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        ("2019:07:14 12:30:05", datetime(2019, 7, 14, 12, 30, 5, tzinfo=UTC)),
        ("2019-07-14T12:30", datetime(2019, 7, 14, 12, 30, tzinfo=UTC)),
        (b"1999:12:31 23:59:59\0", datetime(1999, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ("1955:01:01 00:00:00", datetime(1955, 1, 1, tzinfo=UTC)),
        ("0000:00:00 00:00:00", None),
        ("2019:02:30 10:00:00", None),
        ("2019:07:14 24:00:00", None),
        ("    :  :     :  :  ", None),
        ("٢٠١٩:07:14 12:30:05", None),
        ("", None),
        (None, None),
    ],
)
def test_a_date_is_believed_or_none(value: object, moment: datetime | None) -> None:
    assert taken_at([value]) == (None if moment is None else int(moment.timestamp()))


def test_the_first_believable_date_counts() -> None:
    later = int(datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC).timestamp())
    assert taken_at(["0000:00:00 00:00:00", None, "2020:01:02 03:04:05"]) == later
    told = facts("JPEG", (1, 1), {0x0132: "2021:01:01 00:00:00"}, {0x9004: "2020:01:02 03:04:05"}, {})
    assert told.taken_at == later


@pytest.mark.parametrize(
    ("gps", "position"),
    [
        ({1: "N", 2: (52.0, 30.0, 36.0), 3: "E", 4: (13.0, 24.0, 0.0)}, (52.51, 13.4)),
        ({1: "S", 2: (33.0, 51.4, 0.0), 3: "W", 4: (70.5, 0.0, 0.0)}, (-33.8566667, -70.5)),
        ({1: b"N\0", 2: ((52, 1), (3060, 100)), 3: b"E\0", 4: ((13, 1),)}, (52.51, 13.0)),
        ({1: "N", 2: (IFDRational(52, 0), 0.0, 0.0), 3: "E", 4: (13.0, 0.0, 0.0)}, None),
        ({1: "N", 2: ((52, 0), (0, 1), (0, 1)), 3: "E", 4: (13.0, 0.0, 0.0)}, None),
        ({1: "N", 2: (90.1, 0.0, 0.0), 3: "E", 4: (13.0, 0.0, 0.0)}, None),
        ({1: "N", 2: (52.0, 0.0, 0.0), 3: "E", 4: (181.0, 0.0, 0.0)}, None),
        ({1: "N", 2: (52.0, -1.0, 0.0), 3: "E", 4: (13.0, 0.0, 0.0)}, None),
        ({1: "N", 2: (math.nan, 0.0, 0.0), 3: "E", 4: (13.0, 0.0, 0.0)}, None),
        ({2: (52.0, 0.0, 0.0), 4: (13.0, 0.0, 0.0)}, None),
        ({1: "N", 2: (52.0, 0.0, 0.0)}, None),
        ({1: "N", 2: (0.0, 0.0, 0.0), 3: "E", 4: (0.0, 0.0, 0.0)}, None),
        ({1: "X", 2: (52.0, 0.0, 0.0), 3: "E", 4: (13.0, 0.0, 0.0)}, None),
        ({}, None),
    ],
)
def test_degrees(gps: dict[int, object], position: tuple[float, float] | None) -> None:
    assert degrees(gps) == (None if position is None else pytest.approx(position))


@given(tags, tags, tags)
@example({0x010F: "\0", 0x0110: "\x7f"}, {}, {})
def test_nothing_in_exif_raises_and_what_is_told_is_within_bounds(
    image: dict[int, object], photo: dict[int, object], gps: dict[int, object]
) -> None:
    told = facts("JPEG", (3, 2), image, photo, gps)
    assert told.camera is None or (0 < len(told.camera) <= 128 and told.camera.isprintable())
    assert told.latitude is None or -90 <= told.latitude <= 90
    assert told.longitude is None or -180 <= told.longitude <= 180
    assert (told.latitude is None) == (told.longitude is None)
    assert 1 <= turned(image.get(0x0112)) <= 8


@given(st.binary(max_size=300))
def test_no_exif_block_upsets_what_reads_it(block: bytes) -> None:
    """Through Pillow's own parser, as far as it gets."""
    exif = Image.Exif()
    try:
        exif.load(b"Exif\0\0II*\0\x08\0\0\0" + block)
        found = dict(exif)
    except Exception:  # Pillow's, not ours
        found = {}
    assert facts("JPEG", (1, 1), found, found, found).format == "JPEG"


@given(st.integers(-(2**40), 2**40).filter(lambda seconds: 0 < seconds + 62135596800 < 315537897600))
def test_every_moment_survives_being_written_as_exif_writes_it(seconds: int) -> None:
    moment = datetime.fromtimestamp(seconds, UTC)
    assert taken_at([f"{moment.year:04d}" + moment.strftime(":%m:%d %H:%M:%S")]) == seconds


@given(st.floats(-90, 90), st.floats(-180, 180))
def test_every_place_survives_degrees_minutes_seconds(latitude: float, longitude: float) -> None:
    def split(angle: float) -> tuple[float, float, float]:
        whole = abs(angle)
        return float(int(whole)), float(int(whole % 1 * 60)), whole % 1 * 60 % 1 * 60

    gps = {
        1: "S" if latitude < 0 else "N",
        2: split(latitude),
        3: "W" if longitude < 0 else "E",
        4: split(longitude),
    }
    found = degrees(gps)
    if max(abs(latitude), abs(longitude)) < 1e-7:
        assert found is None or max(map(abs, found)) <= 1e-7
    else:
        assert found == pytest.approx((latitude, longitude), abs=1e-6)


@given(st.text() | st.binary())
def test_text_is_printable_and_short(value: str | bytes) -> None:
    cleaned = text(value)
    assert cleaned is None or (cleaned.isprintable() and len(cleaned) <= 128 and cleaned == cleaned.strip())
    assert cleaned is None or text(cleaned) == cleaned


def test_orientation() -> None:
    assert [upright_size((4, 3), turned(value)) for value in (1, 6, 8, 9, "6", None)] == [
        (4, 3),
        (3, 4),
        (3, 4),
        (4, 3),
        (4, 3),
        (4, 3),
    ]


def test_exif_written_by_pillow_is_read_back() -> None:
    exif = Image.Exif()
    exif[0x010F], exif[0x0110] = "FUJIFILM", "X-T5"
    exif.get_ifd(0x8825).update({1: "N", 2: (48.0, 51.0, 30.0), 3: "E", 4: (2.0, 17.0, 40.0)})
    file = io.BytesIO()
    Image.new("RGB", (2, 2)).save(file, "JPEG", exif=exif)
    read = Image.open(file).getexif()
    told = facts("JPEG", (2, 2), read, read.get_ifd(0x8769), read.get_ifd(0x8825))
    assert told.camera == "FUJIFILM X-T5"
    assert (told.latitude, told.longitude) == (pytest.approx(48.8583333), pytest.approx(2.2944444))
