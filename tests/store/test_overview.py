"""Facets and totals, compared with counts over plain data."""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st
from store_engines import Engine
from store_library import (
    CAPTION,
    DECODE,
    DETECT,
    MODEL,
    NOW,
    decode,
    delete,
    describe,
    digest,
    put,
    stat,
    topics_of_most_photos,
)

from imgret.store import paths
from imgret.store.interface import Store

LABELS = ("dog", "cat", "Traffic light", "é", "🎂")
DESCRIBED = st.fixed_dictionaries(
    {
        "format": st.sampled_from(["JPEG", "PNG", "HEIF"]),
        "camera": st.none() | st.sampled_from(["Canon EOS", "Voigtländer"]),
        "taken_at": st.none() | st.integers(-(10**9), 10**10),
        "objects": st.dictionaries(st.sampled_from(LABELS), st.integers(1, 5)),
        "topics": st.sets(st.sampled_from(["sports", "food", "diaries_&_daily_life"])),
    }
)


def descending(counts: Counter[str], found: list[str]) -> bool:
    """Whether the commonest come first; equal ones in any order."""
    return [counts[name] for name in found] == sorted(counts.values(), reverse=True)[: len(found)]


@settings(max_examples=30, deadline=None)
@given(st.lists(DESCRIBED, max_size=6), st.sets(st.sampled_from(LABELS)))
def test_facets_are_what_the_photos_have(
    engine: Engine, photos: list[dict[str, Any]], meant: set[str]
) -> None:
    with engine.empty() as store:
        for number, known in enumerate(photos):
            content = put(store, b"/photos/%d.jpg" % number)
            facts = {key: known[key] for key in ("format", "camera", "taken_at")}
            decode(store, content, **facts)
            describe(store, content, objects=known["objects"], topics=known["topics"])
        labels = {label for known in photos for label in known["objects"]}
        assert store.facets.labels() == sorted(labels)
        totals = [sum(known["objects"].get(label, 0) for label in meant) for known in photos]
        assert store.facets.most_counted(sorted(meant)) == max(totals, default=0)
        cameras = Counter(known["camera"] for known in photos if known["camera"])
        assert set(store.facets.cameras(9)) == set(cameras)
        assert descending(cameras, store.facets.cameras(9))
        assert len(store.facets.cameras(1)) == min(1, len(cameras))
        formats = Counter(known["format"] for known in photos)
        assert set(store.facets.formats()) == set(formats)
        assert descending(formats, store.facets.formats())
        times = [known["taken_at"] for known in photos if known["taken_at"] is not None]
        assert store.facets.dates() == ((min(times), max(times)) if times else None)
        topics = Counter(topic for known in photos for topic in known["topics"])
        assert set(topics_of_most_photos(store, 9)) == set(topics)
        assert descending(topics, topics_of_most_photos(store, 2))


def test_payloads_are_counted_with_the_contents_that_have_a_photo(store: Store) -> None:
    first, second, third = (put(store, b"/photos/%d.jpg" % number) for number in range(3))
    for content, payload in ((first, {"city": "Rome"}), (second, {"city": "Rome"}), (third, None)):
        store.results.save(content, "place", MODEL, payload)
    store.results.save(first, "caption", MODEL, ["a dog"])
    found = {str(json.loads(payload)): count for payload, count in store.facets.payloads("place")}
    assert found == {"{'city': 'Rome'}": 2, "None": 1}
    delete(store, b"/photos/1.jpg")
    found = {str(json.loads(payload)): count for payload, count in store.facets.payloads("place")}
    assert found == {"{'city': 'Rome'}": 1, "None": 1}
    assert store.facets.payloads("nothing") == []


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(DESCRIBED, st.booleans()), max_size=6))
def test_living_contents_are_counted_by_year_camera_and_label(
    engine: Engine, photos: list[tuple[dict[str, Any], bool]]
) -> None:
    with engine.empty() as store:
        for number, (known, deleted) in enumerate(photos):
            content = put(store, b"/photos/%d.jpg" % number)
            decode(store, content, camera=known["camera"], taken_at=known["taken_at"])
            describe(store, content, objects=known["objects"], topics=known["topics"])
            if deleted:
                delete(store, b"/photos/%d.jpg" % number)
        living = [known for known, deleted in photos if not deleted]
        times = [known["taken_at"] for known in living if known["taken_at"] is not None]
        years = Counter((datetime(1970, 1, 1) + timedelta(seconds=at)).year for at in times)
        assert store.facets.photos_by_year() == sorted(years.items())
        cameras = Counter(known["camera"] for known in living if known["camera"])
        assert dict(store.facets.photos_by_camera(9)) == cameras
        found = store.facets.photos_by_label("object", 9)
        assert dict(found) == Counter(label for known in living for label in known["objects"])
        assert [count for _, count in found] == sorted((count for _, count in found), reverse=True)
        assert store.facets.photos_by_label("object", 2) == found[:2]


def test_what_was_saved_again_counts_once(store: Store) -> None:
    content = put(store, b"/photos/a.jpg")
    for objects, topics in (({"dog": 3, "cat": 1}, ["sports"]), ({"dog": 1}, ["food"])):
        describe(store, content, objects=objects, topics=topics)
    assert store.facets.labels() == ["dog"]
    assert store.facets.most_counted(["dog", "cat"]) == 1
    assert topics_of_most_photos(store, 9) == ["food"]


PHOTOS = st.tuples(
    st.sampled_from([b"/p", b"/p/a", b"/p/a/b", b"/p/a0", b"/away"]),
    st.sampled_from(["one", "two", "three", None]),  # None: it could not be read
    st.booleans(),  # it was deleted
)
WORK = st.dictionaries(
    st.sampled_from(["one", "two", "three"]),
    st.dictionaries(st.sampled_from([DECODE, CAPTION, DETECT]), st.booleans(), min_size=1),  # stage -> failed
)


@settings(max_examples=60, deadline=None)
@example([(b"/p/a/b", "two", False)], {"two": {DECODE: False}}, set(), [b"/p/a"], False)
@given(
    st.lists(PHOTOS, max_size=8),
    WORK,
    st.sets(st.sampled_from([CAPTION, DETECT])),
    st.lists(st.sampled_from([b"/p", b"/p/a", b"/", b"/away", b"/none"]), max_size=2),
    st.booleans(),
)
def test_every_photo_is_described_pending_or_failed(
    engine: Engine, photos: list[Any], work: dict[str, Any], waiting: Any, folders: list[bytes], mounted: bool
) -> None:
    with engine.empty() as store:
        roots = {path: store.roots.add(path) for path in (b"/p", b"/away")}
        living: list[tuple[bytes, str | None]] = []
        contents: dict[str, int] = {}
        for number, (folder, data, deleted) in enumerate(photos):
            root = roots[b"/away"] if folder == b"/away" else roots[b"/p"]
            inside = paths.relative(root.path, folder) or b""
            name = b"%d.jpg" % number
            if data is None:
                store.photos.save_unreadable(root.id, inside, name, stat(), "denied", NOW)
            else:
                contents[data], _ = store.photos.save(root.id, inside, name, stat(), digest(data), NOW)
            if deleted:
                delete(store, paths.join(root.path, inside, name))
            else:
                living.append((folder, data))
        todo = {data: stages for data, stages in work.items() if data in contents}
        for data, stages in todo.items():
            store.work.queue(contents[data], list(stages))
            claimed = [stage for stage, failed in stages.items() if failed]
            store.work.failed(contents[data], claimed, "no", NOW)
        store.roots.mark_offline(roots[b"/away"].id, "unplugged")
        if mounted:
            store.roots.mark_mounted(roots[b"/p"].id, b"a", "vfat:1")
            store.roots.mark_unmounted(roots[b"/p"].id, b"a", "away")
        away = {b"/away"} | ({b"/p/a", b"/p/a/b"} if mounted else set())

        def failed(data: str | None) -> bool:
            return data is None or any(todo.get(data, {}).values())

        def pending(data: str | None) -> bool:
            return data is not None and not failed(data) and bool(set(todo.get(data, {})) - waiting)

        totals = store.summary.totals(waiting)
        assert totals.photos == len(living)
        assert totals.failed == sum(failed(data) for _, data in living)
        assert totals.pending == sum(pending(data) for _, data in living)
        assert totals.described + totals.pending + totals.failed == totals.photos
        assert totals.offline == sum(folder in away for folder, _ in living)
        below = {
            contents[data]
            for folder, data in living
            if data is not None
            and pending(data)
            and folder not in away
            and any(paths.relative(each, folder) is not None for each in folders)
        }
        assert store.summary.pending_below(folders, waiting) == below
        for path, root in roots.items():
            here = sum(paths.relative(path, folder) is not None for folder, _ in living)
            assert store.summary.photos_under(root.id) == here


def test_stages_without_weights_are_those_that_were_remembered(store: Store, second: Store) -> None:
    assert store.summary.waiting_stages() == frozenset()
    store.remember("waiting", ",".join(sorted([CAPTION, DETECT])))
    assert second.summary.waiting_stages() == {CAPTION, DETECT}
    store.remember("waiting", None)
    assert store.summary.waiting_stages() == frozenset()
