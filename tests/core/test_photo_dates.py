"""The date of a photo: of the file, else of its name, its folders, or the time of the file."""

from __future__ import annotations

from calendar import timegm
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgret.decode import exif
from imgret.decode.metadata_dates import exif_date, exif_date_problems, iptc_date, written_date, zone
from imgret.photo import PRECISIONS, PhotoDate
from imgret.photo_dates import Place, choose
from imgret.search.hit_json import dated

NOW = datetime(2024, 6, 1, 12)
CAMERA = PhotoDate(timegm((2019, 7, 4, 12, 13, 14)), "exif")


def seconds(*moment: int) -> int:
    return timegm((*moment, *(1, 1, 0, 0, 0)[len(moment) - 1 :]))


def place(path: str, mtime: int = 0) -> Place:
    folder, _, name = path.rpartition("/")
    return Place(b"/home/2001/Pictures", folder.encode(), name.encode(), mtime * 10**9)


def test_the_order_of_the_sources() -> None:
    paths = [place("2018-05 Rome/IMG_20170203_040506.jpg")]
    assert choose(CAMERA, paths, NOW) == CAMERA
    assert choose(None, paths, NOW) == PhotoDate(seconds(2017, 2, 3, 4, 5, 6), "name")
    assert choose(None, [place("2018-05 Rome/a.jpg")], NOW) == PhotoDate(seconds(2018, 5), "folder", "month")
    assert choose(None, [place("2018-05 Rome/a.jpg"), place("2017-02-03.jpg")], NOW) == PhotoDate(
        seconds(2017, 2, 3), "name", "day"
    )


def test_folders_above_the_root_give_no_date() -> None:
    assert choose(None, [place("a.jpg")], NOW) is None
    in_root = Place(b"/photos/2016 Trip", b"", b"a.jpg", 0)
    assert choose(None, [in_root], NOW) == PhotoDate(seconds(2016), "folder", "year")


def test_the_time_of_the_file_is_used_only_if_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [place("a.jpg", 1_500_000_300), place("b.jpg", 1_500_000_200)]
    assert choose(None, paths, NOW) is None
    found = choose(None, paths, NOW, mtime=True)
    assert found is not None
    assert found.source == "mtime"
    assert found.at == timegm(datetime.fromtimestamp(1_500_000_200).timetuple())
    assert choose(None, [place("a.jpg")], NOW, mtime=True) is None


def test_a_date_in_the_future_is_no_date() -> None:
    later = PhotoDate(seconds(2099), "exif")
    assert choose(later, [place("a.jpg")], NOW) is None
    assert choose(later, [place("2020-01-02.jpg")], NOW) == PhotoDate(seconds(2020, 1, 2), "name", "day")
    for mtime in (seconds(2099), 1 << 50):
        assert choose(None, [place("a.jpg", mtime)], NOW, mtime=True) is None
        assert choose(None, [place("a.jpg", mtime), place("b.jpg", 86400)], NOW, mtime=True) is not None


@pytest.mark.parametrize(
    ("written", "expected", "shown"),
    [
        ("2019", PhotoDate(seconds(2019), "xmp", "year"), "2019"),
        ("2019-07", PhotoDate(seconds(2019, 7), "xmp", "month"), "2019-07"),
        ("2019-07-04", PhotoDate(seconds(2019, 7, 4), "xmp", "day"), "2019-07-04"),
        ("2019-07-04T12:13", PhotoDate(seconds(2019, 7, 4, 12, 13), "xmp"), "2019-07-04T12:13:00"),
        (
            "2019-07-04T12:13:14.250-03:30",
            PhotoDate(seconds(2019, 7, 4, 12, 13, 14), "xmp", "second", -210, "25"),
            "2019-07-04T12:13:14.25-03:30",
        ),
        (
            "2019:07:04 12:13:14Z",
            PhotoDate(seconds(2019, 7, 4, 12, 13, 14), "xmp", zone=0),
            "2019-07-04T12:13:14+00:00",
        ),
    ],
)
def test_dates_of_xmp(written: str, expected: PhotoDate, shown: str) -> None:
    assert written_date(written, "xmp") == expected
    assert dated(expected) == shown


@pytest.mark.parametrize(
    "written",
    [
        "",
        "0000-00-00",
        "0000-07-00",
        "0000:00:00 00:00:00",
        "2019-13",
        "2019-02-30",
        "1970-01-01T00:00:00",
        "soon",
        None,
        7,
    ],
)
def test_no_dates(written: object) -> None:
    assert written_date(written, "xmp") is None


@pytest.mark.parametrize(
    ("original", "changed", "reported"),
    [
        ("2019:07:04 12:13:14", "0000:00:00 00:00:00", None),
        ("0000:00:00 00:00:00", "2019:07:04 12:13:14", None),
        ("0000:00:00 00:00:00", None, "0000:00:00 00:00:00"),
        (None, "2019:02:30 10:00:00", "2019:02:30 10:00:00"),
        ("03/04/2019", "0000:00:00", "03/04/2019"),  # March or April
        ("9" * 100, None, "9" * 32),
        # unknown, or of a clock that was never set
        ("    :  :     :  :  ", "", None),
        ("1970:01:01 00:00:00", None, None),
        (b"\0" * 20, 7, None),
    ],
)
def test_impossible_dates_of_exif_are_reported(
    original: object, changed: object, reported: str | None
) -> None:
    found = exif_date_problems({exif.DATE_TIME: changed}, {exif.DATE_TIME_ORIGINAL: original})
    sentence = f"has the date {reported}, which is impossible or ambiguous, so it is not used"
    assert found == ((sentence,) if reported else ())


@pytest.mark.parametrize(
    ("original", "changed", "expected"),
    [
        ("2020:02:00 00:00:00", None, PhotoDate(seconds(2020, 2), "exif", "month")),
        ("2020:00:00", None, PhotoDate(seconds(2020), "exif", "year")),
        ("2020:00:15 10:00:00", None, PhotoDate(seconds(2020), "exif", "year")),
        ("1965-07-00", "2019:07:04 12:13:14", PhotoDate(seconds(1965, 7), "exif", "month")),  # a scan
        ("2019:07:04 12:13:14", "2020:02:00", PhotoDate(seconds(2019, 7, 4, 12, 13, 14), "exif")),
        ("1970:01:01 00:00:00", "2020:02:00", PhotoDate(seconds(2020, 2), "exif", "month")),
        ("0000:02:00", None, None),
        ("2020:13:00", None, None),
        ("2020:02:001", None, None),
    ],
)
def test_exif_with_an_unknown_day_gives_the_month_or_the_year(
    original: str, changed: str | None, expected: PhotoDate | None
) -> None:
    assert exif_date({exif.DATE_TIME: changed}, {exif.DATE_TIME_ORIGINAL: original}) == expected


@given(st.integers(1800, 2100), st.integers(0, 12), st.integers(0, 28), st.sampled_from([":", "-"]))
def test_all_sources_read_zeros_as_unknown(year: int, month: int, day: int, by: str) -> None:
    written = f"{year}{by}{month:02}{by}{day:02}"
    found = written_date(written, "x"), iptc_date(f"{year}{month:02}{day:02}", "")
    found = (*found, exif_date({exif.DATE_TIME: written}, {}))
    known = seconds(year, *((month, day) if month and day else (month,) if month else ()))
    precision = "day" if month and day else "month" if month else "year"
    dates = {(date.at, date.precision) for date in found if date is not None}
    assert dates == {(known, precision)}
    assert None not in found or datetime(year, month or 1, day or 1) in exif.UNSET_CLOCK


@given(st.text(max_size=24) | st.binary(max_size=24) | st.text("0129:./- ", max_size=20))
def test_no_date_of_exif_is_both_used_and_reported(written: object) -> None:
    directories = {exif.DATE_TIME: written}, {}
    assert not (exif_date(*directories) and exif_date_problems(*directories))


def test_dates_of_iptc() -> None:
    assert iptc_date("20190704", "121314+0200") == PhotoDate(
        seconds(2019, 7, 4, 12, 13, 14), "iptc", zone=120
    )
    assert iptc_date("20190700", "") == PhotoDate(seconds(2019, 7), "iptc", "month")
    assert iptc_date("20190000", "121314") == PhotoDate(seconds(2019), "iptc", "year")
    assert iptc_date("", "121314") is None


def test_time_zones() -> None:
    assert [zone(text) for text in ("+02:00", "-0330", "Z", "+15:00", "CEST", "", None)] == [
        *(120, -210, 0),
        *(None, None, None, None),
    ]


@given(st.text(max_size=40), st.text(max_size=20))
def test_any_text_is_a_date_or_none(text: str, other: str) -> None:
    for found in (written_date(text, "xmp"), iptc_date(text, other)):
        assert found is None or (found.precision in PRECISIONS and dated(found))


@given(st.datetimes(datetime(1901, 1, 1), datetime(2024, 1, 1)), st.sampled_from(["%Y", "%Y-%m", "%Y-%m-%d"]))
def test_what_is_shown_is_read_again(moment: datetime, form: str) -> None:
    text = moment.strftime(form)
    found = written_date(text, "xmp")
    assert found is not None
    assert dated(found) == text
