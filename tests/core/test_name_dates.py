"""Dates in the names of files and folders."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgret.name_dates import NamedDate, in_file_name, in_folders

NOW = datetime(2026, 3, 18, 12, 0)


def at(*parts: int) -> int:
    return int((datetime(*parts) - datetime(1970, 1, 1)).total_seconds())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("IMG_20190704_121314.jpg", (2019, 7, 4, 12, 13, 14)),
        ("PXL_20210101_123456789.MP.jpg", (2021, 1, 1, 12, 34, 56)),
        ("20190704_121314.jpg", (2019, 7, 4, 12, 13, 14)),
        ("2019-07-04 12.13.14-1.jpg", (2019, 7, 4, 12, 13, 14)),
        ("Screenshot_2021-03-04-10-11-12-123_com.app.png", (2021, 3, 4, 10, 11, 12)),
        ("Screenshot_20210304-101112.png", (2021, 3, 4, 10, 11, 12)),
        ("Screenshot 2021-03-04 at 10.11.12.png", (2021, 3, 4, 10, 11, 12)),
        ("WhatsApp Image 2016-05-04 at 10.11.12 (2).jpeg", (2016, 5, 4, 10, 11, 12)),
        ("photo_2021-03-04_10-11-12.jpg", (2021, 3, 4, 10, 11, 12)),
        ("signal-2021-03-04-101112.jpg", (2021, 3, 4, 10, 11, 12)),
        ("IMG-20160504-WA0001.jpg", (2016, 5, 4)),
        ("2016-05-04.jpg", (2016, 5, 4)),
        ("scan 1998_11_30 b.tif", (1998, 11, 30)),
        ("rome_2019-07-04_99-99-99.jpg", (2019, 7, 4)),
        ("FB_IMG_1562252345678.jpg", (2019, 7, 4)),
        ("1562252345678.jpg", (2019, 7, 4)),
        ("99-99-9999 2016-05-04", (2016, 5, 4)),
    ],
)
def test_a_date_in_the_name_of_a_file(name: str, parts: tuple[int, ...]) -> None:
    assert in_file_name(name, NOW) == NamedDate(at(*parts), "second" if len(parts) > 3 else "day")


@pytest.mark.parametrize(
    "name",
    [
        *("DSC_2019.jpg", "IMG_2019.jpg", "2019.jpg", "20190230_101112.jpg", "20191301.jpg", "120190704.jpg"),
        *(
            "201907041.jpg",
            "2026-03-20.jpg",
            "1899-12-31.jpg",
            "2019-07_04.jpg",
            "9562252345678.jpg",
            "",
            ".",
        ),
        *("order 123456789012345678.jpg", "2019-07.jpg"),
    ],
)
def test_numbers_and_days_that_do_not_exist_are_no_dates(name: str) -> None:
    assert in_file_name(name, NOW) is None


@pytest.mark.parametrize(
    ("folders", "parts"),
    [
        (["2019-07 Rome"], (2019, 7)),
        (["Pictures", "2019", "07", "14"], (2019, 7, 14)),
        (["Pictures", "2019", "07 Rome"], (2019, 7)),
        (["2019", "2019-07-14 Rome", "raw"], (2019, 7, 14)),
        (["2019_07_14"], (2019, 7, 14)),
        (["20190714"], (2019, 7, 14)),
        (["2019 Rome"], (2019,)),
        (["Rome 2019"], (2019,)),
        (["2018", "Rome 2019"], (2019,)),
        (["2019-13 odd"], (2019,)),
        (["2019", "13"], (2019,)),
    ],
)
def test_a_date_in_the_names_of_folders(folders: list[str], parts: tuple[int, ...]) -> None:
    precision = ("year", "month", "day")[len(parts) - 1]
    assert in_folders(folders, NOW) == NamedDate(at(*parts, *(1, 1)[len(parts) - 1 :]), precision)


@pytest.mark.parametrize(
    "folders", [[], ["Rome"], ["07", "14"], ["12019"], ["2027"], ["photos20191"], ["1234"]]
)
def test_other_folders_have_no_date(folders: list[str]) -> None:
    assert in_folders(folders, NOW) is None


@given(
    st.datetimes(datetime(1900, 1, 1), NOW).map(lambda moment: moment.replace(microsecond=0)),
    st.sampled_from(
        ["IMG_%Y%m%d_%H%M%S", "%Y-%m-%d %H.%M.%S", "Screenshot %Y-%m-%d at %H.%M.%S", "x_%Y_%m_%d_%H_%M_%S"]
    ),
    st.sampled_from([".jpg", ".HEIC", "-1.png", " (2).jpeg", "_edited.jpg"]),
)
def test_every_moment_is_read_as_it_was_written(moment: datetime, form: str, end: str) -> None:
    name = moment.strftime(form.replace("%Y", f"{moment.year:04d}")) + end
    assert in_file_name(name, NOW) == NamedDate(
        (moment - datetime(1970, 1, 1)) // timedelta(seconds=1), "second"
    )


@given(st.text(), st.lists(st.text()))
def test_any_name_is_read_without_an_error(name: str, folders: list[str]) -> None:
    for date in (in_file_name(name, NOW), in_folders(folders, NOW)):
        assert date is None or date.seconds <= at(2026, 3, 19, 12)
