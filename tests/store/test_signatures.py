"""What all pictures look like, and what else is compared of copies, read in bulk."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from store_engines import Engine
from store_library import DAY, NOW, decode, delete, digest, put, stat

from imgret.photo import Facts
from imgret.store.interface import Store
from imgret.store.records import NO_TIME, Looks

FACTS = Facts("JPEG", 4, 3)
OLD, NEW = 64, 90  # bytes of a perceptual hash: that of an older version has neither detail nor colour


def by_content(found: Looks) -> dict[int, bytes]:
    """The perceptual hashes, by content."""
    count = len(found.contents)
    assert (found.contents.dtype, found.contents.shape) == (np.int64, (count,))
    assert (found.signatures.dtype, found.signatures.shape) == (np.int8, (count, 64))
    assert (found.details.dtype, found.details.shape) == (np.uint8, (count, 24))
    assert (found.colours.dtype, found.colours.shape) == (np.int8, (count, 2))
    assert (found.has_detail.dtype, found.has_detail.shape) == (np.bool_, (count,))
    assert found.contents.tolist() == sorted(set(found.contents.tolist()))
    assert not found.details[~found.has_detail].any()
    assert not found.colours[~found.has_detail].any()
    return {
        content: signature.tobytes() + (detail.tobytes() + colour.tobytes() if known else b"")
        for content, signature, detail, colour, known in zip(found.contents.tolist(), *found[1:], strict=True)
    }


def all_looks(store: Store) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    for step in store.signatures.all():
        looks = by_content(step)
        assert looks
        assert not looks.keys() & found.keys()
        found |= looks
    return found


LOOKS = st.none() | st.sampled_from([OLD, NEW]).flatmap(lambda size: st.binary(min_size=size, max_size=size))


@settings(max_examples=25, deadline=None)
@given(st.lists(LOOKS, max_size=12), st.sets(st.integers(-1, 12)))
def test_every_hash_is_given_once_with_its_content(
    engine: Engine, looks: list[bytes | None], chosen: set[int]
) -> None:
    with engine.empty() as store:
        saved: dict[int, bytes] = {}
        contents = []
        for number, look in enumerate(looks):
            content = put(store, b"/photos/%d.jpg" % number)
            store.contents.save_facts(content, FACTS, digest(str(number)), look)
            assert store.contents.look(content) == look
            contents.append(content)
            if look is not None:
                saved[content] = look
        assert all_looks(store) == saved
        some = [contents[number] if 0 <= number < len(contents) else 10_000 + number for number in chosen]
        found = by_content(store.signatures.of(np.array(some, np.int64)))
        assert found == {content: saved[content] for content in some if content in saved}


def test_a_hash_is_replaced_and_removed_with_its_content(store: Store) -> None:
    content = put(store, b"/photos/a.jpg")
    assert all_looks(store) == {}
    for look in (b"a" * OLD, b"b" * NEW, b"c" * OLD):
        store.contents.save_facts(content, FACTS, digest("pixels"), look)
        assert all_looks(store) == {content: look}
    delete(store, b"/photos/a.jpg", NOW)
    store.contents.purge(NOW + 31 * DAY)
    assert all_looks(store) == {}


def test_many_hashes(store: Store) -> None:
    looks = {}
    with store.writing():
        for number in range(300):
            content = put(store, b"/photos/%d.jpg" % number)
            looks[content] = number.to_bytes(NEW, "big")
            store.contents.save_facts(content, FACTS, digest(str(number)), looks[content])
    assert all_looks(store) == looks
    assert by_content(store.signatures.of(np.array([*looks], np.int64))) == looks


def test_traits_of_living_contents(store: Store) -> None:
    assert list(store.signatures.traits()) == []
    one = put(store, b"/photos/one.jpg", "bytes", number=5)
    assert put(store, b"/photos/two.nef", "bytes", number=7) == one
    decode(store, one, "pixels", width=40, height=30, taken_at=-3, subsecond="25", camera="A", latitude=1.0)
    store.results.write_note(one, "mine")
    dull = put(store, b"/photos/\xff.png", number=9)
    decode(store, dull, format="PNG", width=2, height=2, camera="A", subsecond="")
    new = put(store, b"/photos/new.jpg")
    deleted = put(store, b"/photos/deleted.jpg")
    decode(store, deleted)
    delete(store, b"/photos/deleted.jpg")
    other = put(store, b"/photos/other.jpg")
    decode(store, other, camera="B")

    (found,) = store.signatures.traits()
    assert found.contents.tolist() == [one, dull, new, other]
    assert found.paths.tolist() == [2, 1, 1, 1]
    assert [row.tobytes() for row in found.pixels] == [
        digest("pixels"), digest(f"pixels {dull}"), bytes(32), digest(f"pixels {other}"),
    ]  # fmt: skip
    assert found.area.tolist() == [1200, 4, 0, 1200]
    assert found.size.tolist() == [7, 9, stat().size, stat().size]
    assert found.taken_at.tolist() == [-3, NO_TIME, NO_TIME, NO_TIME]
    assert found.subsecond.tolist() == [0.25, 0, -1, -1]
    same, also, none, differs = found.camera.tolist()
    assert same == also
    assert len({same, none, differs}) == 3
    assert none == 0
    assert found.has_place.tolist() == [True, False, False, False]
    assert found.has_note.tolist() == [True, False, False, False]
    assert found.formats == ["JPEG", "PNG", "", "JPEG"]
    assert found.names[0] in (b"one.jpg", b"two.nef")
    assert found.names[1:] == [b"\xff.png", b"new.jpg", b"other.jpg"]
    assert (found.area.dtype, found.taken_at.dtype, found.camera.dtype) == (np.int64, np.int64, np.int64)
    assert (found.has_place.dtype, found.has_note.dtype) == (np.bool_, np.bool_)
