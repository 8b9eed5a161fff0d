"""The sentence about photos that a search could not find yet."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from imgret.photo import FileStat
from imgret.search.coverage import coverage_note
from imgret.stages.interface import DECODE
from imgret.store.interface import Store
from imgret.weights.sources import Kind, Weights

WANTED = (DECODE, "image", "detect", "caption", "topics", "embed")


@pytest.fixture
def contents(store: Store) -> list[int]:
    """Four photos without any result."""
    root = store.roots.add(b"/p").id
    found = []
    for number in range(4):
        file = FileStat(1, 1, 1, number)
        content, _ = store.photos.save(root, b"", b"%d.jpg" % number, file, b"%032d" % number, 1)
        store.work.queue(content, WANTED)
        found.append(content)
    return found


def note(store: Store, *, by_words: bool = False, located: dict[str, Weights] | None = None) -> str | None:
    return coverage_note(
        store, WANTED.__contains__, lambda stage: (located or {}).get(stage.name), by_words=by_words
    )


def test_it_names_each_sense_until_all_photos_have_it(store: Store, contents: list[int]) -> None:
    assert note(store) == "searched 0 of 4 photos by image, 0 by caption; 4 are still to be read"
    for content in contents:
        store.work.done(content, [DECODE, "detect"])
    for content in contents[:3]:
        store.work.done(content, ["image"])
    store.work.done(contents[0], ["caption"])
    assert note(store) == "searched 3 of 4 photos by image, 1 by caption; the rest by name"
    assert note(store, by_words=True) == "searched 1 of 4 photos by caption; the rest by name"
    for content in contents:
        store.work.done(content, ["image", "caption", "topics"])
    assert note(store) == "searched 0 of 4 photos by text vectors; all by caption"
    assert note(store, by_words=True) is None
    for content in contents:
        store.work.done(content, WANTED)
    assert note(store) is None


def test_photos_with_captions_are_not_searched_by_name_only(store: Store, contents: list[int]) -> None:
    for content in contents:
        store.work.done(content, [stage for stage in WANTED if stage != "image"])
    assert note(store) == "searched 0 of 4 photos by image; all by caption"


def test_failed_and_deleted_photos_do_not_count_as_pending(store: Store, contents: list[int]) -> None:
    for content in contents:
        store.work.done(content, [stage for stage in WANTED if stage != "caption"])
    store.work.done(contents[0], ["caption"])
    store.work.failed(contents[1], ["caption"], "truncated", 1)
    assert note(store) == "searched 1 of 4 photos by caption; the rest by name"
    store.photos.mark_deleted(1, b"", [b"2.jpg"], 1)
    assert note(store) == "searched 1 of 3 photos by caption; the rest by name"
    store.work.done(contents[3], ["caption"])
    assert note(store) is None


def test_missing_weights_are_reported_with_advice(store: Store, contents: list[int]) -> None:
    for content in contents:
        store.work.done(content, [stage for stage in WANTED if stage != "caption"])
    store.remember("waiting", "caption")
    assert (note(store) or "").endswith(
        "by name. For all of them, run `imgret models pull`, then `imgret index`"
    )


def test_a_missing_package_comes_before_missing_weights(store: Store, contents: list[int]) -> None:
    for content in contents:
        store.work.done(content, [stage for stage in WANTED if stage not in ("image", "caption")])
    store.remember("waiting", "caption,image")
    weights = Weights("image", Kind.HUB, "a/model", None, None, present=False, revision=None)
    hint = "Install it: `pip install 'imgret[caption]'`."
    problem = "b/model needs the package torch"
    lacking = replace(weights, stage="caption", name="b/model", problem=problem, hint=hint, needs="torch")
    found = note(store, located={"image": weights, "caption": lacking}) or ""
    assert found.endswith(f"; the rest by name; {problem}. {hint[:-1]}, then run `imgret index`")
    assert (note(store, located={"image": weights}) or "").endswith(
        "run `imgret models pull`, then `imgret index`"
    )
