"""Sidecars, dates, positions and ratings, as every store keeps them."""

from __future__ import annotations

import numpy as np
import pytest
from store_library import MODEL, decode, digest, put, stat

from imgret.photo import Facts, PhotoDate, Tag
from imgret.store.clauses import Clause, Has, Rated, Taken
from imgret.store.interface import Store

DAY = 86_400
JUNE = 1_464_739_200  # 2016-06-01


def test_sidecars_of_folders(store: Store) -> None:
    root = store.roots.add(b"/photos").id
    other = store.roots.add(b"/others").id
    store.sidecars.save(root, b"a", b"1.xmp", stat(1))
    store.sidecars.save(root, b"a", b"2.xmp", stat(2))
    store.sidecars.save(root, b"a/b", b"\xff.json", stat(3))
    store.sidecars.save(root, b"ab", b"1.xmp", stat(4))
    store.sidecars.save(other, b"a", b"1.xmp", stat(5))
    assert store.sidecars.known(root, b"a") == {b"1.xmp": stat(1), b"2.xmp": stat(2)}
    assert store.sidecars.known(root, b"") == {}
    assert store.sidecars.folders(root) == {b"a", b"a/b", b"ab"}
    assert store.sidecars.folders(root, b"a") == {b"a", b"a/b"}
    assert store.sidecars.present(root, b"a", [b"3.xmp", b"2.xmp", b"1.xmp"]) == [b"2.xmp", b"1.xmp"]
    assert store.sidecars.present(root, b"a/b", [b"\xff.json", b"1.xmp"]) == [b"\xff.json"]

    store.sidecars.save(root, b"a", b"1.xmp", stat(6))
    assert store.sidecars.known(root, b"a")[b"1.xmp"] == stat(6)
    store.sidecars.forget(root, b"a", [b"1.xmp", b"2.xmp", b"none.xmp"])
    assert store.sidecars.folders(root) == {b"a/b", b"ab"}
    assert store.sidecars.known(other, b"a") == {b"1.xmp": stat(5)}


def test_a_root_takes_its_sidecars_along_when_it_is_merged_or_purged(store: Store) -> None:
    inner = store.roots.add(b"/photos/a").id
    store.sidecars.save(inner, b"", b"1.xmp", stat())
    outer = store.roots.add(b"/photos").id
    # Sidecars of a merged root may be forgotten: the next scan finds them again.
    assert store.sidecars.folders(outer) <= {b"a"}


def test_the_date_of_a_photo(store: Store) -> None:
    content = put(store, b"/photos/a.jpg")
    assert store.contents.date(content) is None
    store.contents.save_facts(content, Facts("JPEG", 4, 3, JUNE, subsecond="25"), digest("a"))
    assert store.contents.date(content) == PhotoDate(JUNE, "exif", subsecond="25")
    date = PhotoDate(JUNE + DAY, "xmp", "day", -210)
    store.contents.save_date(content, date)
    assert store.contents.date(content) == date
    facts = store.contents.facts(content)
    assert facts is not None
    assert facts.taken_at == JUNE  # the value of the camera stays
    assert store.facets.dates() == (JUNE + DAY, JUNE + DAY)
    store.contents.save_date(content, None)
    assert store.contents.date(content) is None
    assert store.facets.dates() is None


def test_a_position_replaces_that_of_the_facts(store: Store) -> None:
    content = put(store, b"/photos/a.jpg")
    store.contents.save_facts(content, Facts("JPEG", 4, 3, latitude=1.0, longitude=2.0), digest("a"))
    for position in ((44.5, -9.25), None):
        store.contents.save_position(content, position)
        facts = store.contents.facts(content)
        assert facts is not None
        assert (facts.latitude, facts.longitude) == (position or (None, None))


@pytest.mark.parametrize(
    ("precision", "span", "passes"),
    [
        ("second", (JUNE, JUNE + 1), True),
        ("second", (JUNE + 1, None), False),
        ("day", (JUNE, JUNE + DAY), True),
        ("day", (JUNE, JUNE + DAY - 1), False),
        ("day", (None, JUNE + DAY), True),
        ("month", (JUNE, JUNE + 30 * DAY), True),
        ("month", (JUNE, JUNE + DAY), False),
        ("year", (JUNE, JUNE + 366 * DAY), True),
        ("year", (None, JUNE + 200 * DAY), False),
        ("year", (JUNE, None), True),
        ("year", (None, None), True),
    ],
)
def test_all_of_an_imprecise_date_is_in_the_span(
    store: Store, precision: str, span: tuple[int | None, int | None], passes: bool
) -> None:
    content = put(store, b"/photos/a.jpg")
    decode(store, content)
    store.contents.save_date(content, PhotoDate(JUNE, "folder", precision))
    found = store.filters.matching([Clause(Taken(*span))]).tolist()
    assert found == ([content] if passes else [])


def test_newest_photos_by_date(store: Store) -> None:
    contents = [put(store, b"/photos/%d.jpg" % number) for number in range(3)]
    for content in contents:
        decode(store, content, taken_at=JUNE)
    store.contents.save_date(contents[2], PhotoDate(JUNE - DAY, "name", "day"))
    store.contents.save_date(contents[0], None)
    assert store.filters.newest(None, 9).tolist() == [contents[1], contents[2], contents[0]]
    assert store.filters.matching([Clause(Has("date"))]).tolist() == contents[1:]


def test_ratings(store: Store) -> None:
    ratings = {"5": 5, "3": 3, "rejected": 0, None: 0}
    contents = {}
    for label in ratings:
        contents[label] = put(store, f"/photos/{label}.jpg".encode())
        tags = [Tag("rating", label), Tag("label", "red")] if label else []
        store.results.save(contents[label], "metadata", MODEL, {}, tags=tags)
        store.results.refresh_words(contents[label])
    for least in range(-1, 7):
        for most in range(-1, 7):
            expected = [contents[label] for label, stars in ratings.items() if least <= stars <= most]
            assert np.array_equal(store.filters.matching([Clause(Rated(least, most))]), sorted(expected)), (
                least,
                most,
            )
    assert store.words.best(store.words.terms(["red", "rejected"]), 9, 1000).tolist() == [
        contents["rejected"]
    ]
