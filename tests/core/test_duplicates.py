"""Groups of copies in a real index: which photos belong together, and which one is the best."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from imgret.decode.perceptual import COLOUR_BYTES
from imgret.photo import Facts, FileStat
from imgret.search import describe_hits
from imgret.search.describe_hits import Found
from imgret.search.duplicates import Library
from imgret.search.looks import COPY, packed, turned
from imgret.search.near_pairs import Pairs
from imgret.search.parse import ParsedQuery
from imgret.search.stars import Stars
from imgret.store.interface import Store
from imgret.store.records import Looks

Put = Callable[..., int]
NOON = 43_200  # seconds since 1970
GROUPS = list[tuple[str, list[str]]]


def look(seed: int, noise: float = 0, side: int = 0) -> bytes:
    """The hash of one of many unrelated photos; with `noise`, of a copy."""
    rng = np.random.default_rng(seed)
    row, column = np.divmod(np.arange(64), 8)
    values = rng.normal(size=64) * 75 / (1 + np.hypot(row, column)) ** 0.6
    detail = rng.bytes(24)
    values += np.random.default_rng(int(noise * 1000)).normal(size=64) * noise
    values[0] = 0
    signature = values.round().clip(-127, 127).astype(np.int8)[None]
    turned_detail = detail if side == 0 else packed_detail(detail, side)
    return turned(signature, side).tobytes() + turned_detail + bytes(COLOUR_BYTES)


def packed_detail(detail: bytes, side: int) -> bytes:
    from imgret.search.looks import turned_details

    return turned_details(packed(bytes(64) + detail + bytes(COLOUR_BYTES)).details, side).tobytes()


@pytest.fixture
def put(store: Store) -> Put:
    """put("a.jpg", look, width=...) -> the content of a photo below /photos."""
    root = store.roots.add(b"/photos").id

    def save(name: str, seen: bytes | None = None, *, size: int = 100, data: str = "", **facts: Any) -> int:
        folder, _, file = name.rpartition("/")
        stat = FileStat(size, 1, 1, 1)
        hash_ = blake3((data or name).encode(errors="surrogateescape")).digest()
        raw = os.fsencode(folder), os.fsencode(file)
        content, _ = store.photos.save(root, *raw, stat, hash_, 1)
        if seen is not None:
            pixels = blake3(facts.pop("pixels", data or name).encode(errors="surrogateescape")).digest()
            facts = {"format": "JPEG", "width": 40, "height": 30} | facts
            store.contents.save_facts(content, Facts(**facts), pixels, seen)
        return content

    return save


def groups(store: Store, folder: bytes | None = None, **options: Any) -> GROUPS:
    found = Library(store, folder).groups(**options)
    return [
        (group.kind, [os.fsdecode(copy.path).removeprefix("/photos/") for copy in group.copies])
        for group in found
    ]


def test_equal_bytes_pixels_and_looks(store: Store, put: Put) -> None:
    put("a.jpg", look(1), data="a")
    put("b.jpg", look(1), data="a")
    put("c.jpg", look(2), pixels="same")
    put("d.png", look(2), pixels="same", format="PNG")
    put("e.jpg", look(3), width=400)
    put("f.jpg", look(3, 3), width=200)
    put("g.jpg", look(3, 3.5, side=5), width=100)
    put("h.jpg", look(4))
    exact = [("exact", ["a.jpg", "b.jpg"]), ("exact", ["d.png", "c.jpg"])]
    assert groups(store, exact=True) == exact
    assert groups(store) == [*exact, ("similar", ["e.jpg", "f.jpg", "g.jpg"])]
    assert groups(store, least=1) == exact


def test_the_best_copy_comes_first(store: Store, put: Put) -> None:
    better = [
        ("raw.NEF", {"width": 10}),
        ("large.jpg", {"width": 400}),
        ("complete.jpg", {"taken_at": NOON, "camera": "A", "latitude": 1.0}),
        ("dated.jpg", {"taken_at": NOON, "camera": "A"}),
        ("noted.webp", {"taken_at": NOON, "format": "WEBP"}),
        ("lossless.png", {"taken_at": NOON, "format": "PNG"}),
        ("heavy.jpg", {"taken_at": NOON, "size": 900}),
        ("first.jpg", {"taken_at": NOON}),
        ("later.jpg", {"taken_at": NOON}),
        ("small.jpg", {"width": 30, "taken_at": NOON, "camera": "A"}),
    ]
    names = [name for name, _ in better]
    for name, facts in [better[7], *better[:7], *better[8:]]:
        content = put(name, look(1), **facts)
        if name == "noted.webp":
            store.results.write_note(content, "mine")
    assert groups(store) == [("similar", names)]


def test_other_shots_are_no_copies_but_a_burst(store: Store, put: Put) -> None:
    put("1.jpg", look(1), taken_at=NOON, camera="A", width=400)
    put("2.jpg", look(1, 4), taken_at=NOON + 1, camera="A", width=400)
    put("3.jpg", look(1, 5), taken_at=NOON + 3, camera="A", width=400)
    put("small 2.jpg", look(1, 4), taken_at=NOON + 1, width=40)
    put("later.jpg", look(1), taken_at=NOON + 900, camera="A")
    put("other camera.jpg", look(1), taken_at=NOON, camera="B")
    put("other scene.jpg", look(2), taken_at=NOON + 1, camera="A")
    assert groups(store) == [("similar", ["2.jpg", "small 2.jpg"])]
    assert groups(store, bursts=True) == [("burst", ["1.jpg", "2.jpg", "3.jpg", "small 2.jpg"])]
    with_parts = {"taken_at": NOON + 50, "camera": "A"}
    put("x.jpg", look(3), subsecond="1", **with_parts)
    put("y.jpg", look(3), subsecond="2", **with_parts)
    assert groups(store) == [("similar", ["2.jpg", "small 2.jpg"])]


def test_a_series_that_changes_slowly_is_not_one_group(store: Store, put: Put) -> None:
    """Each is similar to the next, and the first is not to the last."""
    start, end = (packed(look(seed)).signatures[0].astype(float) for seed in (1, 2))
    detail = look(1)[64:]
    steps = 60
    for step in range(steps):
        angle = step / steps * np.pi / 2
        values = np.cos(angle) * start + np.sin(angle) * end
        signature = values.round().clip(-127, 127).astype(np.int8).tobytes()
        put(f"{step:02}.jpg", signature + detail)
    found = groups(store)
    assert sum(len(names) for _, names in found) == steps
    assert 3 <= len(found) <= 6
    for group in Library(store).groups():
        assert all(copy.similarity >= COPY for copy in group.copies)


def test_flat_and_undecoded_photos_and_old_hashes(store: Store, put: Put) -> None:
    for number in range(6):
        put(f"black {number}.jpg", bytes(64) + os.urandom(26))
        put(f"new {number}.jpg")
    put("old 1.jpg", look(1)[:64])
    put("old 2.jpg", look(1, 2)[:64])
    put("old 3.jpg", look(1, 14)[:64])
    library = Library(store)
    assert (library.photos, library.undecoded, library.coarse) == (15, 6, 3)
    assert groups(store) == [("similar", ["old 1.jpg", "old 2.jpg"])]
    put("new 6.jpg", data="new 5.jpg")
    assert groups(store, exact=True) == [("exact", ["new 5.jpg", "new 6.jpg"])]


def test_files_that_were_not_decoded_come_last(store: Store, put: Put) -> None:
    put("broken 1.jpg", data="broken")
    put("broken 2.jpg", data="broken")
    put("a.jpg", look(1), data="a", pixels="same")
    put("edited tags.jpg", look(1), data="b", pixels="same")
    put("c.jpg", look(2), data="c")
    put("copied.jpg", look(2), data="c")
    found = list(Library(store).groups())
    assert [os.path.basename(group.copies[0].path) for group in found] == [
        b"a.jpg",
        b"c.jpg",
        b"broken 1.jpg",
    ]
    assert [group.kind for group in found] == ["exact"] * 3
    assert [group.is_one_content for group in found] == [False, True, True]  # not only equal pixels


def test_a_folder_deleted_photos_and_offline_disks(store: Store, put: Put) -> None:
    for name in ("in/a.jpg", "in/deep/b.jpg", "out/c.jpg", "inside/d.jpg"):
        put(name, look(1))
    put("in/\udcff.jpg", look(2), data="same")
    put("out/e.jpg", look(2), data="same")
    assert groups(store, b"/photos/in") == [("similar", ["in/a.jpg", "in/deep/b.jpg"])]
    assert len(groups(store)) == 2
    store.photos.mark_deleted(store.roots.all()[0].id, b"in/deep", [b"b.jpg"], now=5)
    assert groups(store, b"/photos/in") == []
    store.roots.mark_offline(store.roots.all()[0].id, "unplugged")
    (similar, exact) = Library(store).groups()
    assert not any(copy.online for copy in (*similar.copies, *exact.copies))


def test_no_photo_and_one_photo(store: Store, put: Put) -> None:
    assert groups(store) == groups(store, bursts=True) == groups(store, exact=True) == []
    put("a.jpg", look(1))
    assert groups(store) == groups(store, bursts=True) == groups(store, exact=True) == []


@given(st.sets(st.tuples(st.integers(0, 12), st.integers(0, 12)).filter(lambda pair: pair[0] < pair[1])))
def test_groups_are_those_of_a_greedy_choice(pairs: set[tuple[int, int]]) -> None:
    """In the order of quality, each joins the most similar leader that it is similar to, or leads."""
    ordered = sorted(pairs, key=lambda pair: (pair[1], pair[0]))
    better, worse = (np.array([pair[side] for pair in ordered], np.int64) for side in (0, 1))
    similarity = np.array([1 / (1 + a * 7 % 5) for a, _ in ordered], np.float32)
    nothing = np.zeros((13, 24), np.uint8)
    found = Looks(
        np.arange(13), np.zeros((13, 64), np.int8), nothing, np.zeros((13, 2), np.int8), nothing[:, 0] > 0
    )
    joined = {
        photo: leader
        for photo, leader, _ in Stars(found, COPY, lambda a, _: a >= 0).joins(
            Pairs(better, worse, similarity)
        )
    }
    expected: dict[int, int] = {}
    for photo in range(13):
        leaders = [a for a, b in ordered if b == photo and a not in expected]
        if leaders:
            expected[photo] = max(leaders, key=lambda a: (np.float32(1 / (1 + a * 7 % 5)), -a))
    assert joined == expected


def hits(store: Store, contents: list[int], *, all_copies: bool = False, limit: int = 100) -> list[list[str]]:
    """The names of each hit and what is folded into it."""
    found = [Found(content, 1.0, None, "strong", ()) for content in contents]
    query = ParsedQuery()
    described = describe_hits.describe(store, query, found, limit=limit, all_copies=all_copies)
    assert describe_hits.count(store, query, found, limit=limit, all_copies=all_copies) == len(described)
    return [[os.path.basename(path).decode() for path in (hit.path, *hit.other_paths)] for hit in described]


def test_near_duplicates_and_bursts_are_one_hit(store: Store, put: Put) -> None:
    contents = [
        put("first.jpg", look(1, 3), width=40, taken_at=NOON, camera="A"),
        put("large.jpg", look(1), width=400),
        put("burst.jpg", look(1, 18), taken_at=NOON + 2, camera="A"),
        put("later.jpg", look(1, 2), taken_at=NOON + 900, camera="A"),
        put("other.jpg", look(2), taken_at=NOON + 1, camera="A"),
        put("turned.jpg", look(2, 2, side=3)),
    ]
    assert hits(store, contents) == [
        ["first.jpg", "large.jpg", "burst.jpg"],
        ["later.jpg"],
        ["other.jpg", "turned.jpg"],
    ]
    assert hits(store, contents, limit=1) == [["first.jpg", "large.jpg", "burst.jpg"]]
    assert len(hits(store, contents, all_copies=True)) == 6
    assert hits(store, contents[::-1])[0] == ["turned.jpg", "other.jpg"]


def test_folding_thousands_of_hits_is_not_quadratic(store: Store, put: Put) -> None:
    with store.writing():
        contents = [put(f"{number}.jpg", look(number % 1500)) for number in range(3000)]
    found = hits(store, contents, limit=3000)
    assert len(found) == 1500
    assert all(len(names) == 2 for names in found)
