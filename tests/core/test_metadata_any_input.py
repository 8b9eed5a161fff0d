"""Parsers of metadata, with any input: they return something or raise their own error, and nothing else."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgret.decode import albums, iptc, takeout, xmp, xmp_fields
from imgret.decode.albums import AlbumsError
from imgret.decode.exif import OFF_THE_EARTH
from imgret.decode.takeout import TakeoutError
from imgret.photo import Metadata
from imgret.sidecars.merge_own import KINDS, Known, merge
from imgret.sidecars.remove_own import remove_own, written

DATA = Path(__file__).parent.parent / "data" / "metadata"
SIDECARS = [(DATA / name).read_bytes() for name in ("sidecar.xmp", "darktable.xmp")]
KNOWN = Known(captions=("a <b>",), counts=((2, "dog"),), note="n\n<x>", note_at=5, keywords=("k",), rating=3)
PIECES = [
    *(b"&#0;", b"<x>", b"</rdf:li>", b'rdf:resource="', b"&a;", b"<![CDATA[", b"\xef\xbb\xbf", b"\xff"),
    *(b"NaN", b"0000:00:00 00:00:00", b"9" * 30, b"-1e999", b'encoding="', b"--", b"]]>", b"\0"),
]
EDITS = st.lists(
    st.tuples(st.floats(0, 1), st.sampled_from(PIECES) | st.binary(max_size=6), st.integers(0, 40)),
    max_size=8,
)


def edited(data: bytes, edits: list[tuple[float, bytes, int]]) -> bytes:
    for place, put, gone in edits:
        at = int(place * len(data))
        data = data[:at] + put + data[at + gone :]
    return data


@settings(max_examples=300, deadline=None)
@given(st.builds(edited, st.sampled_from(SIDECARS), EDITS) | st.binary(max_size=200))
def test_damaged_sidecars(data: bytes) -> None:
    with contextlib.suppress(xmp.XmpError):
        xmp_fields.metadata(xmp.parse(data), "sidecar", 7)
    try:
        made = merge(data, KNOWN, KINDS, 9)
    except xmp.XmpError:
        return
    assert made is not None
    assert merge(made, KNOWN, KINDS, 9) == made
    xmp_fields.metadata(xmp.parse(made), "sidecar", 7)
    remove_own(made, written(made))


@given(
    st.lists(st.tuples(st.integers(0, 255), st.integers(0, 255), st.binary(max_size=40)), max_size=8),
    st.binary(max_size=9),
)
def test_iptc_records(sets: list[tuple[int, int, bytes]], rest: bytes) -> None:
    record = b"".join(bytes([0x1C, a, b]) + len(value).to_bytes(2, "big") + value for a, b, value in sets)
    for data in (record, record + rest, record[:-2], rest + record):
        assert all(isinstance(text, str) for texts in iptc.datasets(data).values() for text in texts)


VALUES = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
DESCRIPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "title": st.sampled_from(["a.jpg", "b.jpg"]) | VALUES,
        "description": VALUES,
        "photoTakenTime": st.fixed_dictionaries({}, optional={"timestamp": VALUES}) | VALUES,
        "geoData": st.fixed_dictionaries({}, optional={"latitude": st.floats(), "longitude": VALUES})
        | VALUES,
        "people": st.lists(st.fixed_dictionaries({"name": VALUES})) | VALUES,
        "albumData": VALUES,
    },
)


@settings(max_examples=200, deadline=None)
@given(DESCRIPTIONS | st.dictionaries(st.text(max_size=8), st.lists(VALUES, max_size=3)) | VALUES)
def test_json_files(value: object) -> None:
    data = json.dumps(value).encode()
    for each in (data, data[:-1], b"\xef\xbb\xbf" + data, data.decode().encode("utf-16")):
        found: list[Metadata | None] = []
        for album in (False, True):
            with contextlib.suppress(TakeoutError):
                found.append(takeout.metadata(each, b"a.jpg", album=album))
        with contextlib.suppress(AlbumsError):
            found.append(albums.metadata(each, b"a.jpg"))
        for metadata in found:
            if metadata is not None and metadata.position is not None:
                assert abs(metadata.position[0]) <= 90
                assert abs(metadata.position[1]) <= 180


@pytest.mark.parametrize(
    ("latitude", "longitude", "is_wrong"),
    [
        (44.1, 9.7, False),
        (0, 0, False),
        (91, 9, True),
        (44, -180.5, True),
        ("north", 9, True),
        (None, 9, False),
    ],
)
def test_coordinates_of_takeout(latitude: object, longitude: object, is_wrong: bool) -> None:
    position = {"latitude": latitude, "longitude": longitude}
    found = takeout.metadata(json.dumps({"title": "a.jpg", "geoData": position}).encode(), b"a.jpg")
    assert found is not None
    assert found.problems == ((OFF_THE_EARTH,) if is_wrong else ())
    assert (found.position is None) == (latitude != 44.1)
