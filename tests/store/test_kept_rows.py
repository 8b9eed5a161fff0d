"""What an engine keeps between searches is what a new connection reads."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from store_engines import Engine
from store_library import CAPTION, DETECT, MODEL, OTHER_MODEL, put

from imgret.photo import Tag
from imgret.store.factory import open_store
from imgret.store.interface import Store
from imgret.store.records import TextColumn

EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["photo", "tag", "vector", "switch", "queue", "column", "nothing"]), st.booleans()
    ),
    max_size=8,
)


def _read(store: Store) -> dict[str, Any]:
    return {
        "kinds": store.facets.kinds(),
        "labels": [store.facets.labels(), store.facets.labels("keyword")],
        "spaces": store.vectors.active_spaces(),
        "space": store.vectors.active_space(),
        "progress": store.summary.progress(),
        "columns": store.text_columns.all(),
        "documents": store.words.document_count(),
        "projections": [store.nearest.projection(space) for space in store.vectors.active_spaces()],
    }


def _do(store: Store, event: str, number: int) -> None:
    path = b"/photos/%d.jpg" % number
    if event == "photo":
        put(store, path, str(number))
    elif event == "tag":
        store.results.import_tags(put(store, path, str(number)), [Tag("keyword", f"word {number}")])
    elif event == "vector":
        store.vectors.save(put(store, path, str(number)), MODEL, {"passage": np.full(4, 0.5, np.float32)})
    elif event == "switch":
        content = put(store, path, str(number))
        store.vectors.save(content, OTHER_MODEL, {"passage": np.full(4, 0.5, np.float32)})
        store.vectors.activate_when_complete(OTHER_MODEL)
    elif event == "queue":
        store.work.queue(put(store, path, str(number)), [CAPTION, DETECT])
    elif event == "column":
        columns = [column for column in store.text_columns.all() if column.stage is not None]
        store.text_columns.set([*columns, TextColumn(f"more{number}", CAPTION, 1.0, substrings=False)])


@settings(max_examples=25, deadline=None)
@given(EVENTS)
def test_what_is_kept_is_what_is_there(engine: Engine, events: list[tuple[str, bool]]) -> None:
    with engine.connections(2) as (store, other):
        for number, (event, own) in enumerate(events):
            with store.reading():
                before = _read(store)
                if not own:
                    _do(other, event, number)
                    assert _read(store) == before  # still the snapshot
            if own:
                _do(store, event, number)
            with open_store(store.path) as fresh:
                now = _read(fresh)
            assert _read(store) == now
            with store.reading():
                assert _read(store) == now
                assert _read(store) == now


def test_a_transaction_that_writes_reads_its_own_changes(store: Store) -> None:
    with store.reading():
        before = _read(store)
    with store.writing():
        _do(store, "tag", 1)
        _do(store, "vector", 2)
        within = _read(store)
        assert within["documents"] > before["documents"]
        assert within["labels"][1] == ["word 1"]
        assert [space.identity for space in within["spaces"]] == [MODEL]
    with store.reading():
        assert _read(store) == within
