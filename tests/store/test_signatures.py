"""What all pictures look like, read in bulk."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from store_engines import Engine
from store_library import DAY, NOW, delete, digest, put

from imgret.photo import Facts
from imgret.store.interface import Store

FACTS = Facts("JPEG", 4, 3)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.none() | st.binary(min_size=64, max_size=64), max_size=12))
def test_every_signature_is_given_once_with_its_content(engine: Engine, looks: list[bytes | None]) -> None:
    with engine.empty() as store:
        saved: dict[int, bytes] = {}
        for number, look in enumerate(looks):
            content = put(store, b"/photos/%d.jpg" % number)
            store.contents.save_facts(content, FACTS, digest(str(number)), look)
            assert store.contents.look(content) == look
            if look is not None:
                saved[content] = look
        found: dict[int, bytes] = {}
        for ids, rows in store.signatures.all():
            assert (ids.dtype, rows.dtype, rows.shape) == (np.int64, np.int8, (len(ids), 64))
            for content, row in zip(ids.tolist(), rows, strict=True):
                assert content not in found
                found[content] = row.tobytes()
        assert found == saved


def test_a_signature_is_replaced_and_goes_with_its_content(store: Store) -> None:
    content = put(store, b"/photos/a.jpg")
    assert list(store.signatures.all()) == []
    for look in (b"a" * 64, b"b" * 64):
        store.contents.save_facts(content, FACTS, digest("pixels"), look)
        ((ids, rows),) = store.signatures.all()
        assert (ids.tolist(), rows.tobytes()) == ([content], look)
    delete(store, b"/photos/a.jpg", NOW)
    store.contents.purge(NOW + 31 * DAY)
    assert [ids.tolist() for ids, _ in store.signatures.all()] == []


def test_many_signatures(store: Store) -> None:
    looks = {}
    with store.writing():
        for number in range(300):
            content = put(store, b"/photos/%d.jpg" % number)
            looks[content] = number.to_bytes(64, "big")
            store.contents.save_facts(content, FACTS, digest(str(number)), looks[content])
    found = {}
    for ids, rows in store.signatures.all():
        found.update(zip(ids.tolist(), (row.tobytes() for row in rows), strict=True))
    assert found == looks
