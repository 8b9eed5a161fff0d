"""Positions in EXIF and in texts: read back, refused, and reported."""

from __future__ import annotations

import math

import pytest
from exif_values import tags
from hypothesis import given
from hypothesis import strategies as st
from PIL.TiffImagePlugin import IFDRational

from imgret.decode.exif import (
    OFF_THE_EARTH,
    degrees,
    position_problems,
)


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


NAN = IFDRational(0, 0)


@pytest.mark.parametrize(
    ("gps", "are_wrong"),
    [
        ({1: "N", 2: (52.0, 30.0, 36.0), 3: "E", 4: (13.0, 24.0, 0.0)}, False),
        ({1: "N", 2: (90.1, 0.0, 0.0), 3: "E", 4: (13.0, 0.0, 0.0)}, True),
        ({1: "N", 2: (math.nan, 0.0, 0.0), 3: "E", 4: (13.0, 0.0, 0.0)}, True),
        ({1: "N", 2: (52.0, 0.0, 0.0)}, True),
        ({2: (52.0, 0.0, 0.0), 4: (13.0, 0.0, 0.0)}, True),  # no direction
        ({2: "NaN", 4: "13,24.0E"}, True),
        ({2: "152,30N", 4: "13,24.0E"}, True),
        # what receivers without a fix write
        ({}, False),
        ({1: "N", 2: (0.0, 0.0, 0.0), 3: "E", 4: (0.0, 0.0, 0.0)}, False),
        ({1: "N", 2: (NAN, NAN, NAN), 3: "E", 4: (NAN, NAN, NAN)}, False),
        ({1: "N", 2: ((0, 0), (0, 0), (0, 0)), 3: "E", 4: ((0, 0),)}, False),
        ({1: "", 2: "", 3: b"", 4: b"\0"}, False),
        ({2: "0,0.000N", 4: "0,0.000E"}, False),
        ({1: "N", 2: "0/1,0/1,0/1", 3: "E", 4: "0/1,0/1,0/1"}, False),
    ],
)
def test_coordinates_that_are_not_used_are_reported(gps: dict[int, object], are_wrong: bool) -> None:
    assert position_problems(gps) == ((OFF_THE_EARTH,) if are_wrong else ())


@given(tags)
def test_no_coordinates_are_both_used_and_reported(gps: dict[int, object]) -> None:
    assert not (degrees(gps) and position_problems(gps))


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
