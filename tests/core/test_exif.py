"""Valid and invalid EXIF."""

from __future__ import annotations

import io
from datetime import UTC, datetime

import pytest
from exif_values import tags
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

from imgret.decode.exif import (
    camera,
    facts,
    printable,
    taken_at,
    text,
    upright_size,
    valid_orientation,
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
