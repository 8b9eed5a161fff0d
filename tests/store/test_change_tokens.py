"""How a connection notices that something was committed."""

from __future__ import annotations

import random
import threading
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store_engines import Engine
from store_library import CAPTION, MODEL, NOW, put

from imgret.store.factory import open_store
from imgret.store.in_memory import InMemoryIndex
from imgret.store.interface import Store
from imgret.store.records import TEXT, SpaceTraits

EVENTS = st.sampled_from(["write", "other writes", "read", "other reads", "undo"])


@settings(max_examples=40, deadline=None)
@given(st.lists(EVENTS, max_size=14))
def test_a_token_changes_with_every_commit(engine: Engine, events: list[str]) -> None:
    with engine.connections(2) as (store, other):
        tokens, versions = [store.change_token()], [store.data_version()]
        for number, event in enumerate(events):
            if event == "write":
                store.remember("key", str(number))
            elif event == "other writes":
                other.remember("key", str(number))
            elif event == "undo":
                with pytest.raises(ZeroDivisionError), other.writing():
                    other.remember("key", "never")
                    raise ZeroDivisionError
            else:
                (store if event == "read" else other).setting("key")
            token, version = store.change_token(), store.data_version()
            if event in ("write", "other writes"):
                assert token not in tokens
            else:
                assert token == tokens[-1]
            if event == "other writes":
                assert version != versions[-1]
            else:
                assert version == versions[-1]  # what this connection commits itself is no news to it
            tokens.append(token)
            versions.append(version)


def test_every_group_changes_the_token(store: Store, second: Store) -> None:
    content = put(store, b"/photos/a.jpg")
    changes = (
        lambda: put(second, b"/photos/b.jpg"),
        lambda: second.roots.mark_offline(second.roots.all()[0].id, "unplugged"),
        lambda: second.results.write_note(content, "a note"),
        lambda: second.work.queue(content, [CAPTION]),
        lambda: second.removal.remove_folder(b"/photos", (), 1),
    )
    before = store.change_token(), store.data_version()
    for change in changes:
        change()
        after = store.change_token(), store.data_version()
        assert after[0] != before[0]
        assert after[1] != before[1]
        before = after


def test_a_checkpoint_keeps_everything(store: Store) -> None:
    put(store, b"/photos/a.jpg")
    assert store.checkpoint() is True
    assert list(store.photos.all_paths()) == [b"/photos/a.jpg"]
    assert store.checkpoint() is True


def test_a_checkpoint_gives_way_to_readers(store: Store, second: Store) -> None:
    put(store, b"/photos/a.jpg")
    with second.reading():
        assert second.setting("key") is None
        put(store, b"/photos/b.jpg")
        began = time.monotonic()
        store.checkpoint()
        assert time.monotonic() - began < 15
        assert list(second.photos.all_paths()) == [b"/photos/a.jpg"]
    assert set(store.photos.all_paths()) == {b"/photos/a.jpg", b"/photos/b.jpg"}


def test_a_follower_misses_nothing_that_several_writers_commit(store: Store, place: str) -> None:
    """Who holds vectors in memory reads those with greater ids: a smaller one must not be committed later."""
    traits, rng = SpaceTraits("passage", 1.0), np.random.default_rng(5)
    rows = rng.normal(size=(49, 8)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    contents = [put(store, b"/photos/%d.jpg" % number) for number in range(49)]
    for content in contents[:-1]:
        store.work.queue(content, [CAPTION])
    store.vectors.save(contents[-1], MODEL, {"passage": rows[-1]}, TEXT, traits)
    errors: list[BaseException] = []

    def write(seed: int) -> None:
        pauses = random.Random(seed)
        try:
            with open_store(place) as own:
                while claims := own.work.claim([CAPTION], 2, NOW):
                    with own.writing():
                        for claim in claims:
                            number = contents.index(claim.content)
                            own.vectors.save(claim.content, MODEL, {"passage": rows[number]}, TEXT, traits)
                            own.work.done(claim.content, [CAPTION])
                            time.sleep(pauses.uniform(0, 0.01))
        except BaseException as error:
            errors.append(error)

    space = store.vectors.active_space()
    assert space is not None
    index = InMemoryIndex(store, space)
    threads = [threading.Thread(target=write, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert index.refresh(store)
    assert index.refresh(store)
    assert errors == []
    assert sorted(index.nearest(rows[0], 100).tolist()) == contents
