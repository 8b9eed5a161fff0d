from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgret.photo import FileStat
from imgret.search.parse import parse
from imgret.store.clauses import Clause, Objects, Taken
from imgret.store.factory import open_store
from imgret.store.filter_masks import FilterMasks, passes
from imgret.store.interface import Store

NOW = datetime(2026, 3, 18)
Add = Callable[..., int]


def at(*date: int) -> int:
    return int((datetime(*date) - datetime(1970, 1, 1)).total_seconds())  # type: ignore[arg-type]


def passing(store: Store, text: str) -> set[int]:
    return set(store.filters.matching(parse(text, NOW).clauses).tolist())


@pytest.fixture
def library(store: Store, add: Add) -> dict[str, int]:
    return {
        "dogs": add(
            "2019/Rome/IMG_1.jpg",
            caption="two dogs",
            objects={"dog": 2, "traffic light": 1},
            taken_at=at(2019, 7, 14),
            camera="Canon EOS 5D",
            topics=["sports"],
        ),
        "dog": add("2019/b.png", objects={"dog": 1}, note="our dog", format="PNG", taken_at=at(2019, 12, 31)),
        "cat": add(
            "2020/Rome2/cat.jpg", caption="a cat", taken_at=at(2020, 1, 1), topics=["diaries_&_daily_life"]
        ),
        "plain": add("c [1].jpg"),
    }


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("after:2020", {"cat"}),
        ("before:2020", {"dogs", "dog"}),
        ("on:2019-12", {"dog"}),
        ("on:2019-07-14", {"dogs"}),
        ("-on:2019", {"cat", "plain"}),
        ("after:2019 before:2020 -dog=1", {"dogs"}),
        ("dog>=2", {"dogs"}),
        ("dog:", {"dogs", "dog"}),
        ("dog=1", {"dog"}),
        ("dog=0", {"cat", "plain"}),
        ("dog!=2", {"dog", "cat", "plain"}),
        ("dogs>=2", {"dogs"}),
        ("puppies:", {"dogs", "dog"}),
        ("animals>=2", {"dogs"}),
        ("animals=0", {"cat", "plain"}),
        ("-animal:", {"cat", "plain"}),
        ("traffic lights:", {"dogs"}),
        ("stoplight=1", {"dogs"}),
        ("dog<2", {"dog", "cat", "plain"}),
        ("-dog:", {"cat", "plain"}),
        ("dog>=99999999999", set()),
        ("traffic_light:", {"dogs"}),
        ("topic:sports", {"dogs"}),
        ('topic:"daily life"', {"cat"}),
        ("camera:canon", {"dogs"}),
        ("-camera:canon", {"dog", "cat", "plain"}),
        ("format:png", {"dog"}),
        ("format:jpg", {"dogs", "cat", "plain"}),
        ("-format:jpeg", {"dog"}),
        ("topic:SPORTS", {"dogs"}),
        ("has:note", {"dog"}),
        ("has:caption", {"dogs", "cat"}),
        ("-has:caption", {"dog", "plain"}),
        ("has:objects", {"dogs", "dog"}),
        ("has:topics", {"dogs", "cat"}),
        ("has:date", {"dogs", "dog", "cat"}),
        ("has:gps", set()),
        ("name:img", {"dogs"}),
        ("name:*.jpg", {"dogs", "cat", "plain"}),
        ("name:?at*", {"cat"}),
        ('name:"[1]"', {"plain"}),
        ('name:"c [*"', {"plain"}),
        ("in:/photos/2019", {"dogs", "dog"}),
        ("in:/photos", {"dogs", "dog", "cat", "plain"}),
        ("in:/", {"dogs", "dog", "cat", "plain"}),
        ("in:/photos/20", set()),
        ("in:rome", {"dogs"}),
        ("in:ROME", {"dogs"}),
        ("in:/photos/2019/rome", {"dogs"}),
        ("in:2019/Rome", {"dogs"}),
        ("-in:2019", {"cat", "plain"}),
        ("is:online", {"dogs", "dog", "cat", "plain"}),
        ("is:offline", set()),
        ('"two dogs"', {"dogs"}),
        ('"dogs two"', set()),
        ("-dogs", {"cat", "plain"}),
        ("-rome", {"dog", "plain"}),
        ("-puppies", {"cat", "plain"}),
        ("-animal", {"cat", "plain"}),
        ('"puppies"', set()),
        ('"!!!"', {"dogs", "dog", "cat", "plain"}),
    ],
)
def test_filters(store: Store, library: dict[str, int], text: str, right: set[str]) -> None:
    assert passing(store, text) == {library[name] for name in right}


ACCENTS = {
    "Café Müller/Frühstück.jpg": [
        "name:frühstück",
        "name:FRUHSTUCK",
        'in:"café müller"',
        "name:früh*.JPG",
        "name:?rühstück*",
    ],
    "Straße/ŁÓDŹ ærø.jpg": ["name:łódź", "name:lodz", "in:STRASSE", "name:aero", "in:straße"],
    "Катеринівка.jpg": ["name:катеринівка", "name:КАТЕРИНІВКА"],
    "ｶﾒﾗ/ＩＭＧ１.jpg": ["name:img1", "in:カメラ", "name:ＩＭＧ１"],
    "바다.jpg": ["name:바다"],
    "🎂 cake.jpg": ["name:🎂"],
}


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("query_form", ["NFC", "NFD"])
def test_names_are_found_in_any_case_and_normal_form(
    store: Store, add: Add, form: str, query_form: str
) -> None:
    contents = {
        path: add(unicodedata.normalize(form, path), camera=f"Voigtländer {n}", embed=False)  # type: ignore[arg-type]
        for n, path in enumerate(ACCENTS)
    }
    for path, texts in ACCENTS.items():
        for text in texts:
            assert passing(store, unicodedata.normalize(query_form, text)) == {contents[path]}, text
        folder = "/photos/" + path.rpartition("/")[0]
        if folder != "/photos/":
            assert passing(store, unicodedata.normalize(query_form, f'in:"{folder}"')) == {contents[path]}
    assert passing(store, unicodedata.normalize(query_form, 'camera:"VOIGTLÄNDER 2"')) == {
        contents["Катеринівка.jpg"]
    }


def test_a_name_that_is_not_utf8_is_compared_by_the_rest(store: Store, add: Add) -> None:
    add("plain.jpg", embed=False)
    store.db.execute("UPDATE photo SET name = x'ff4d756ec39ce92e6a7067'")
    assert len(passing(store, "name:MUNÜ")) == 1
    assert len(passing(store, "name:mun*jpg")) == 0


def test_both_kinds_of_jpeg_and_no_other(store: Store, add: Add) -> None:
    two = add("a.jpg", format="MPO", embed=False)
    one = add("b.jpg", format="JPEG", embed=False)
    heif = add("c.heic", format="HEIF", embed=False)
    for name in ("jpg", "JPEG", "jpe"):
        assert passing(store, f"format:{name}") == {one, two}
        assert passing(store, f"-format:{name}") == {heif}
    assert passing(store, "format:mpo") == {two}
    assert passing(store, "format:heic") == passing(store, "format:HEIF") == {heif}


def test_a_folder_is_found_through_symbolic_links(tmp_path: Path, store: Store) -> None:
    real = tmp_path / "var" / "Pictures"
    (real / "2021").mkdir(parents=True)
    (real / "2022").mkdir()
    (tmp_path / "home").symlink_to("var")
    (real / "best").symlink_to("2021")
    with store.writing():
        root = store.roots.add(os.fsencode(real.resolve()))
        made = [
            store.photos.save(root.id, folder, b"x.jpg", FileStat(1, 1, 1, n), bytes([n]) * 32, 1)[0]
            for n, folder in enumerate((b"2021", b"2022"))
        ]
    for folder in (tmp_path / "home/Pictures/2021", real / "best", real / "2021"):
        assert passing(store, f'in:"{folder}"') == {made[0]}
    assert passing(store, f'in:"{tmp_path}/home"') == set(made)
    assert passing(store, f'in:"{tmp_path}/home/Pictures/2023"') == set()


def test_counts_of_all_that_a_word_means_are_added(store: Store, add: Add) -> None:
    couple = add("a.jpg", objects={"man": 1, "woman": 1}, embed=False)
    three = add("b.jpg", objects={"person": 3}, embed=False)
    child = add("c.jpg", objects={"girl": 1, "dog": 1}, embed=False)
    assert passing(store, "people>=2") == {couple, three}
    assert passing(store, "people=3") == {three}
    assert passing(store, "persons<2") == {child}
    assert passing(store, "kids:") == {child}
    assert passing(store, "man:") == {couple}


def test_one_path_must_pass_all_filters_of_paths(store: Store, library: dict[str, int], add: Add) -> None:
    assert add("elsewhere/copy.jpg", of="2019/Rome/IMG_1.jpg") == library["dogs"]
    dogs = {library["dogs"]}
    assert passing(store, "in:elsewhere name:copy") == dogs
    assert passing(store, "in:elsewhere name:img") == set()
    assert passing(store, "-in:2019 name:copy") == dogs
    clauses = parse("in:elsewhere", NOW).clauses
    assert store.filters.showing(clauses, library["dogs"]) == [(b"/photos/elsewhere/copy.jpg", True)]
    assert len(store.filters.showing((), library["dogs"])) == 2


def test_contents_without_a_photo_pass_no_filter(store: Store, library: dict[str, int]) -> None:
    root = store.roots.all()[0].id
    assert store.filters.nowhere().tolist() == []
    store.photos.mark_deleted(root, b"2019", [b"b.png"], now=9)
    assert store.filters.nowhere().tolist() == [library["dog"]]
    assert passing(store, "has:note") == set()
    assert library["dog"] not in store.filters.matching(())
    assert library["dog"] not in store.filters.newest(None, 10)


def test_the_newest_come_first_and_undated_last(store: Store, library: dict[str, int]) -> None:
    order = [library[name] for name in ("cat", "dog", "dogs", "plain")]
    assert store.filters.newest(None, 10).tolist() == order
    assert store.filters.newest(None, 2).tolist() == order[:2]
    assert store.filters.newest(store.filters.matching(parse("dog:", NOW).clauses), 9).tolist() == order[1:3]
    assert store.filters.newest(store.filters.matching(parse("emu:", NOW).clauses), 9).tolist() == []


def test_an_offline_root(store: Store, library: dict[str, int]) -> None:
    store.db.execute("UPDATE root SET online = 0")
    assert passing(store, "is:offline") == set(library.values())
    assert passing(store, "-is:offline") == set()


def test_masks_are_the_same_filters(store: Store, library: dict[str, int]) -> None:
    masks = FilterMasks()
    ids = np.append(store.filters.matching(()), [-1, 0, 1 << 40])
    for text in ("dog:", "after:2020", "-in:2019", "has:note dog:", "emu:"):
        mask = masks.passing(store, parse(text, NOW).clauses)
        assert set(ids[passes(mask, ids)].tolist()) == passing(store, text)


@settings(max_examples=60, deadline=None)
@given(
    taken=st.lists(st.one_of(st.none(), st.integers(-(1 << 40), 1 << 40)), max_size=12),
    start=st.one_of(st.none(), st.integers(-(1 << 41), 1 << 41)),
    end=st.one_of(st.none(), st.integers(-(1 << 41), 1 << 41)),
    least=st.integers(0, 4),
    most=st.one_of(st.none(), st.integers(-1, 4)),
    negated=st.booleans(),
)
def test_dates_and_counts_pass_exactly_as_they_read(
    tmp_path_factory: pytest.TempPathFactory,
    taken: list[int | None],
    start: int | None,
    end: int | None,
    least: int,
    most: int | None,
    negated: bool,
) -> None:
    with open_store(str(tmp_path_factory.getbasetemp() / "filters.db")) as store, store.writing() as db:
        db.execute("DELETE FROM photo; DELETE FROM tag; DELETE FROM content")
        root = store.roots.add(b"/p").id
        made: dict[int, tuple[int | None, int]] = {}
        for number, moment in enumerate(taken):
            db.execute("INSERT INTO content (hash, date) VALUES (randomblob(32), ?)", (moment,))
            content = db.last_insert_rowid()
            db.execute(
                "INSERT INTO photo (root, folder, name, size, mtime_ns, ctime_ns, inode, content, first_seen, last_seen)"
                " VALUES (?, x'', ?, 1, 1, 1, 1, ?, 1, 1)",
                (root, b"%d" % number, content),
            )
            if number % 4:
                db.execute("INSERT INTO tag VALUES ('object', 'dog', ?, 'detect', ?)", (content, number % 4))
            made[content] = (moment, number % 4)
        in_time = {
            c
            for c, (moment, _) in made.items()
            if moment is not None and (start is None or moment >= start) and (end is None or moment < end)
        }
        counted = {c for c, (_, dogs) in made.items() if dogs >= least and (most is None or dogs <= most)}
        for filter_, right in ((Taken(start, end), in_time), (Objects("dog", least, most), counted)):
            found = set(store.filters.matching([Clause(filter_, negated)]).tolist())
            assert found == (set(made) - right if negated else right)
