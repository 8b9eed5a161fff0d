"""Transactions, snapshots, settings, opening and closing."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store_engines import Engine
from store_library import CAPTION, NOW, describe, digest, put, stat

from imgret.errors import IndexProblem
from imgret.store.factory import open_store
from imgret.store.interface import Store
from imgret.store.table_rows import TABLES

COMMITS = 60


class Broken(Exception):
    """An error of the caller, which no store handles."""


def test_a_store_that_is_not_there_is_an_error_and_is_not_made(vacant: str) -> None:
    for _ in range(2):
        with pytest.raises(IndexProblem) as refused:
            open_store(vacant, create=False)
        assert vacant in str(refused.value)
        assert refused.value.hint
    open_store(vacant).close()
    open_store(vacant, create=False).close()


def test_a_new_store_is_empty_writable_and_sound(store: Store, place: str) -> None:
    assert (store.path, store.writable, store.refusal) == (place, True, None)
    assert store.problems() == []
    assert store.roots.all() == []
    assert list(store.photos.all_paths()) == []
    assert store.summary.totals().photos == 0
    assert store.work.waiting() == {}


def test_closing_is_idempotent_and_keeps_what_was_committed(place: str) -> None:
    with open_store(place) as store:
        content = put(store, b"/photos/a.jpg")
        store.remember("key", "value")
        store.close()
    store.close()
    with open_store(place) as again:
        assert again.setting("key") == "value"
        photo = again.photos.find(b"/photos/a.jpg")
        assert photo is not None
        assert photo.content == content


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from("abc"),
            st.none() | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
        ),
        max_size=12,
    )
)
def test_settings_are_a_dictionary(engine: Engine, steps: list[tuple[str, str | None]]) -> None:
    kept: dict[str, str] = {}
    with engine.connections(2) as (one, other):
        for key, value in steps:
            one.remember(key, value)
            if value is None:
                kept.pop(key, None)
            else:
                kept[key] = value
            one, other = other, one
            assert {key: one.setting(key) for key in "abc"} == {key: kept.get(key) for key in "abc"}


def test_a_setting_with_bytes_that_are_not_utf_8_is_kept_as_text(store: Store) -> None:
    store.remember("key", "in /home/caf\udce9")
    assert store.setting("key") == "in /home/caf\N{REPLACEMENT CHARACTER}"


def test_an_error_undoes_the_whole_transaction(store: Store) -> None:
    kept = put(store, b"/photos/kept.jpg")
    error = Broken("the caller's own")
    with pytest.raises(Broken) as raised, store.writing():
        content = put(store, b"/photos/new.jpg")
        store.roots.add(b"/elsewhere")
        store.work.queue(content, [CAPTION])
        store.results.write_note(kept, "a note")
        store.remember("key", "value")
        raise error
    assert raised.value is error
    assert list(store.photos.all_paths()) == [b"/photos/kept.jpg"]
    assert [root.path for root in store.roots.all()] == [b"/photos"]
    assert store.contents.content_named(digest("/photos/new.jpg")) is None
    assert store.work.last() == 0
    assert (store.results.note(kept), store.setting("key")) == (None, None)
    store.remember("key", "after")  # the connection goes on
    assert store.setting("key") == "after"


def test_a_commit_that_fails_undoes_the_transaction_and_the_next_one_is_saved(
    store: Store, second: Store
) -> None:
    content = put(store, b"/photos/a.jpg")
    (table,) = (table for table in TABLES if table.name == "content")
    row = tuple(
        {"id": 99, "hash": digest("b"), "edit_of": 98, "truncated": 0}.get(name) for name in table.columns
    )
    with pytest.raises(IndexProblem), store.writing():
        describe(store, content, caption="a zebra")
        store.transfer.write(table, [row])  # an edit of a content that is missing, as the commit finds
    describe(store, content, caption="a zebra in a zoo")
    store.remember("key", "value")
    assert second.setting("key") == "value"
    assert second.contents.content_named(digest("b")) is None
    assert second.words.best(second.words.terms(["zebra"]), 9, 99).tolist() == [content]
    assert store.documents.check() == []


def test_an_inner_transaction_ends_with_the_outer_one(store: Store, second: Store) -> None:
    with pytest.raises(Broken), store.writing():
        with store.writing(), store.writing(durable=True):
            store.remember("key", "value")
        assert store.setting("key") == "value"
        assert second.setting("key") is None
        raise Broken
    assert store.setting("key") is None


def test_an_error_that_is_caught_inside_the_outer_transaction_undoes_nothing(store: Store) -> None:
    with store.writing():
        with pytest.raises(Broken), store.writing():
            store.remember("inner", "value")
            raise Broken
        store.remember("outer", "value")
    assert (store.setting("inner"), store.setting("outer")) == ("value", "value")


NESTED = st.recursive(
    st.just(()),
    lambda inner: st.lists(st.tuples(st.booleans(), inner), max_size=3).map(tuple),
    max_leaves=8,
)


@settings(max_examples=40, deadline=None)
@given(NESTED, st.booleans())
def test_only_the_outermost_transaction_decides(engine: Engine, tree: tuple, fails: bool) -> None:
    written: list[str] = []

    def write(store: Store, inner: tuple) -> None:
        with store.writing():
            written.append(f"key {len(written)}")
            store.remember(written[-1], "value")
            for caught, each in inner:
                try:
                    write(store, each)
                    if caught:
                        raise Broken
                except Broken:
                    pass
            if store is outer and fails and inner is tree:
                raise Broken

    with engine.connections(2) as (outer, other):
        try:
            write(outer, tree)
        except Broken:
            assert fails
        found = [other.setting(key) for key in written]
        assert found == [None if fails else "value"] * len(written)


def test_other_connections_see_what_was_committed_and_nothing_else(store: Store, second: Store) -> None:
    with store.writing():
        content = put(store, b"/photos/a.jpg")
        store.results.write_note(content, "ours")
        assert second.photos.find(b"/photos/a.jpg") is None
        assert second.roots.all() == []
        assert store.photos.find(b"/photos/a.jpg") is not None  # its own changes it sees at once
    photo = second.photos.find(b"/photos/a.jpg")
    assert photo is not None
    assert second.results.note(content) == "ours"


def test_a_snapshot_is_of_one_moment(store: Store, second: Store) -> None:
    store.remember("key", "before")
    with store.reading():
        assert store.setting("key") == "before"
        second.remember("key", "after")
        put(second, b"/photos/a.jpg")
        with store.reading():
            assert store.setting("key") == "before"
        assert store.setting("key") == "before"
        assert store.roots.all() == []
    assert store.setting("key") == "after"
    assert store.photos.find(b"/photos/a.jpg") is not None


def test_reading_inside_a_transaction_sees_its_changes(store: Store) -> None:
    with store.writing():
        store.remember("key", "value")
        with store.reading():
            assert store.setting("key") == "value"
    with pytest.raises(Broken), store.reading():
        raise Broken
    store.remember("key", "other")  # no snapshot was left open
    assert store.setting("key") == "other"


def test_transactions_of_two_connections_do_not_lose_each_others_changes(engine: Engine, place: str) -> None:
    open_store(place).close()
    errors: list[BaseException] = []

    def count() -> None:
        try:
            with open_store(place) as store:
                for _ in range(COMMITS):
                    with store.writing():
                        store.remember("count", str(int(store.setting("count") or 0) + 1))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=count) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    with open_store(place) as store:
        assert store.setting("count") == str(2 * COMMITS)


def test_a_durable_transaction_is_a_transaction(store: Store, place: str) -> None:
    with store.writing(durable=True):
        root = store.roots.add(b"/photos")
        store.photos.save(root.id, b"", b"a.jpg", stat(), digest("a"), NOW)
    with pytest.raises(Broken), store.writing(durable=True):
        store.remember("key", "value")
        raise Broken
    with open_store(place) as other:
        assert list(other.photos.all_paths()) == [b"/photos/a.jpg"]
        assert other.setting("key") is None
