"""Valid and invalid EXIF."""

from __future__ import annotations

import io
import math
from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from imgret.decode.exif import (
    camera,
    degrees,
    facts,
    printable,
    taken_at,
    text,
    upright_size,
    valid_orientation,
)

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
    ("make", "model", "expected"),
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
        # Pillow reads EXIF strings as Latin-1; imgret tries UTF-8 first
        ("Ren\xc3\xa9", "K\xc3\xb6ln 1", "René Köln 1"),
        ("Ren\xe9", b"K\xf6ln 1", "René Köln 1"),
        (b"Zei\xc3\x9f\0\xff\xfe", None, "Zeiß"),
        ("\xe5\xb0\xbc\xe5\xba\xb7", None, "尼康"),
        ("\xe5\xb0\xbc\xe5\xba", None, "尼"),  # truncated in the middle of a character
        ("尼康", None, "尼康"),
    ],
)
def test_camera(make: object, model: object, expected: str | None) -> None:
    assert camera(make, model) == expected


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        ("2019:07:14 12:30:05", datetime(2019, 7, 14, 12, 30, 5, tzinfo=UTC)),
        ("2019-07-14T12:30", datetime(2019, 7, 14, 12, 30, tzinfo=UTC)),
        (b"1999:12:31 23:59:59\0", datetime(1999, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ("1955:01:01 00:00:00", datetime(1955, 1, 1, tzinfo=UTC)),
        ("0000:00:00 00:00:00", None),
        ("2019:02:30 10:00:00", None),
        ("2019:07:14 24:08:19", datetime(2019, 7, 14, 0, 8, 19, tzinfo=UTC)),
        ("2019:07:14 10:08:60", datetime(2019, 7, 14, 10, 8, 59, tzinfo=UTC)),
        ("2019:07:14 25:00:00", datetime(2019, 7, 14, tzinfo=UTC)),
        ("2019:07:14", datetime(2019, 7, 14, tzinfo=UTC)),
        ("2019:07:14   :  :  ", datetime(2019, 7, 14, tzinfo=UTC)),
        ("2019: 7: 4  9: 8: 5", datetime(2019, 7, 4, 9, 8, 5, tzinfo=UTC)),
        ("2019:7:4 9:8:5", datetime(2019, 7, 4, 9, 8, 5, tzinfo=UTC)),
        ("2019/07/14 12:30:05", datetime(2019, 7, 14, 12, 30, 5, tzinfo=UTC)),
        ("2019.07.14", datetime(2019, 7, 14, tzinfo=UTC)),
        ("14/07/2019 12:30", datetime(2019, 7, 14, 12, 30, tzinfo=UTC)),
        ("07/14/2019 12:30", datetime(2019, 7, 14, 12, 30, tzinfo=UTC)),
        ("04.07.2019", datetime(2019, 7, 4, tzinfo=UTC)),
        ("04/07/2019", None),  # April or July
        ("19:07:14 12:30:05", datetime(2019, 7, 14, 12, 30, 5, tzinfo=UTC)),
        ("98-07-14", datetime(1998, 7, 14, tzinfo=UTC)),
        ("19/07/14", None),  # ambiguous order
        ("2019-07-14T12:30:05.123+02:00", datetime(2019, 7, 14, 12, 30, 5, tzinfo=UTC)),
        ("2019:07:14 12:30:05Z", datetime(2019, 7, 14, 12, 30, 5, tzinfo=UTC)),
        ("2019:07:14 02:30:05 PM", datetime(2019, 7, 14, 14, 30, 5, tzinfo=UTC)),
        ("2019:07:14 12:30:05 a.m.", datetime(2019, 7, 14, 0, 30, 5, tzinfo=UTC)),
        ("20190714T123005", datetime(2019, 7, 14, 12, 30, 5, tzinfo=UTC)),
        ("20190714", datetime(2019, 7, 14, tzinfo=UTC)),
        ("1563107400", None),
        ("1970:01:01 00:00:00", None),  # a clock that was never set
        ("1904:01:01 00:00:00", None),
        ("1970:01:01 00:00:01", datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)),
        ("2019:00:00 00:00:00", None),
        ("    :  :     :  :  ", None),
        ("٢٠١٩:07:14 12:30:05", None),
        ("", None),
        (None, None),
    ],
)
def test_taken_at_returns_a_plausible_date_or_none(value: object, moment: datetime | None) -> None:
    assert taken_at([value]) == (None if moment is None else int(moment.timestamp()))


def test_the_first_plausible_date_is_used() -> None:
    later = int(datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC).timestamp())
    assert taken_at(["0000:00:00 00:00:00", None, "2020:01:02 03:04:05"]) == later
    facts_read = facts("JPEG", (1, 1), {0x0132: "2021:01:01 00:00:00"}, {0x9004: "2020:01:02 03:04:05"}, {})
    assert facts_read.taken_at == later


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
        # decimal degrees; a signed number needs no direction
        ({1: "N", 2: 52.51, 3: "E", 4: IFDRational(134, 10)}, (52.51, 13.4)),
        ({2: 52.51, 4: -0.25}, (52.51, -0.25)),
        ({1: "N", 2: (-33.5,), 3: "E", 4: (-70.5,)}, (-33.5, -70.5)),
        ({2: (-33.0, 30.0, 0.0), 4: (-70.0, 30.0, 0.0)}, (-33.5, -70.5)),
        ({1: "S", 2: (-33.0, 30.0, 0.0), 3: "W", 4: (-0.0, 30.0, 0.0)}, (-33.5, -0.5)),
        # strings, with and without a direction in them
        ({1: "S", 2: "33.5", 3: "West", 4: b"70.5\0"}, (-33.5, -70.5)),
        ({2: "52,30.36N", 4: "13,24.0E"}, (52.506, 13.4)),
        ({2: "52 deg 30' 36.00\" N", 4: "13°24′0″W"}, (52.51, -13.4)),
        ({1: "n", 2: "52/1,30/1,3600/100", 3: "e", 4: "13/1,24/1,0/1"}, (52.51, 13.4)),
        ({1: "N", 2: ("52", "30/1", "36"), 3: "E", 4: ["13", "24", "0"]}, (52.51, 13.4)),
        ({2: "-33.5", 4: "S 70"}, None),
        ({2: "52 30 36", 4: "13 24 0"}, None),  # no direction
        ({1: "N", 2: "52/0,30/1,0/1", 3: "E", 4: "13"}, None),
        ({1: "N", 2: (52.0, 30.0, IFDRational(0, 0)), 3: "E", 4: 13.0}, None),
        ({1: "N", 2: (52.0, 75.0, 0.0), 3: "E", 4: (13.0, 0.0, 0.0)}, None),
        ({1: "N", 2: "somewhere", 3: "E", 4: 13.0}, None),
        ({1: "N", 2: True, 3: "E", 4: 13.0}, None),
        ({1: "E", 2: 52.0, 3: "N", 4: 13.0}, None),
    ],
)
def test_degrees(gps: dict[int, object], position: tuple[float, float] | None) -> None:
    assert degrees(gps) == (None if position is None else pytest.approx(position))


@given(tags, tags, tags)
@example({0x010F: "\0", 0x0110: "\x7f"}, {}, {})
def test_no_exif_value_raises_and_results_are_within_bounds(
    image: dict[int, object], photo: dict[int, object], gps: dict[int, object]
) -> None:
    facts_read = facts("JPEG", (3, 2), image, photo, gps)
    assert facts_read.camera is None or (
        0 < len(facts_read.camera) <= 128 and facts_read.camera.isprintable()
    )
    assert facts_read.latitude is None or -90 <= facts_read.latitude <= 90
    assert facts_read.longitude is None or -180 <= facts_read.longitude <= 180
    assert (facts_read.latitude is None) == (facts_read.longitude is None)
    assert 1 <= valid_orientation(image.get(0x0112)) <= 8


@given(st.binary(max_size=300))
def test_no_exif_block_raises(block: bytes) -> None:
    """Blocks that Pillow's own parser accepts."""
    exif = Image.Exif()
    try:
        exif.load(b"Exif\0\0II*\0\x08\0\0\0" + block)
        found = dict(exif)
    except Exception:  # raised by Pillow's parser
        found = {}
    assert facts("JPEG", (1, 1), found, found, found).format == "JPEG"


unset = {0, int(datetime(1904, 1, 1, tzinfo=UTC).timestamp())}
moments = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59)).filter(
    lambda moment: int(moment.replace(tzinfo=UTC).timestamp()) not in unset
)


@given(
    moments,
    st.sampled_from([":", "-", "/", "."]),
    st.sampled_from([" ", "T", "  "]),
    st.sampled_from(["02d", "2d", "d"]),
    st.sampled_from(["", ".5", "Z", "+05:30", "-0800", ".123+02:00"]),
)
def test_every_date_is_read_back_from_all_notations(
    moment: datetime, by: str, between: str, number: str, after: str
) -> None:
    date = by.join((f"{moment.year:04d}", f"{moment.month:{number}}", f"{moment.day:{number}}"))
    time = ":".join(f"{part:{number}}" for part in (moment.hour, moment.minute, moment.second))
    expected = int(moment.replace(microsecond=0, tzinfo=UTC).timestamp())
    assert taken_at([date + between + time + after]) == expected
    assert taken_at([date]) in (
        expected // 86400 * 86400,
        None,
    )  # None on the day that means a clock was never set


@given(st.text(st.sampled_from("0123456789:/-. TZapm"), max_size=30))
def test_every_parsed_date_is_valid(written: str) -> None:
    moment = taken_at([written])
    assert moment is None or -62135596800 <= moment < 253402300800


@given(st.floats(-90, 90), st.floats(-180, 180))
def test_every_position_is_read_back_from_degrees_minutes_seconds(latitude: float, longitude: float) -> None:
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


@given(
    st.integers(0, 89),
    st.integers(0, 59),
    st.integers(1, 599),
    st.sampled_from("NS"),
    st.sampled_from(
        ["{d}°{m}'{s}\"{n}", "{n} {d} {m} {s}", "{d} deg {m}' {s}\" {n}", "{d},{m},{s}{n}", "{d}:{m}:{s} {n}"]
    ),
)
def test_every_position_is_read_back_from_all_string_notations(
    whole: int, minutes: int, tenths: int, direction: str, form: str
) -> None:
    written = form.format(d=whole, m=minutes, s=tenths / 10, n=direction)
    angle = whole + minutes / 60 + tenths / 36000
    expected = -angle if direction == "S" else angle
    assert degrees({2: written, 4: 1.0}) == pytest.approx((expected, 1.0), abs=1e-6)


@given(
    st.text(st.sampled_from("0123456789.,:/-+ °'\"NSEWdeg"), max_size=30),
    st.sampled_from(["", "N", "S", "x"]),
)
def test_every_parsed_position_is_valid(written: str, direction: str) -> None:
    found = degrees({1: direction, 2: written, 3: "E", 4: 1.0})
    assert found is None or -90 <= found[0] <= 90


@given(st.text() | st.binary())
def test_text_is_printable_and_short(value: str | bytes) -> None:
    cleaned = text(value)
    assert cleaned is None or (cleaned.isprintable() and len(cleaned) <= 128 and cleaned == cleaned.strip())
    assert cleaned is None or printable(cleaned) == cleaned


@given(st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=100))
def test_utf_8_text_is_read_back(written: str) -> None:
    assert text(written.encode()) == text(written.encode().decode("latin-1")) == written


def test_orientation() -> None:
    assert [upright_size((4, 3), valid_orientation(value)) for value in (1, 6, 8, 9, "6", None)] == [
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
    facts_read = facts("JPEG", (2, 2), read, read.get_ifd(0x8769), read.get_ifd(0x8825))
    assert facts_read.camera == "FUJIFILM X-T5"
    assert (facts_read.latitude, facts_read.longitude) == (
        pytest.approx(48.8583333),
        pytest.approx(2.2944444),
    )
