"""The pending stages of a photo, as shown to the user."""

from __future__ import annotations

from collections.abc import Callable

from imgret.config import Settings
from imgret.photo_state import DESCRIBED, FAILED, PENDING, photo_state
from imgret.stages.caption import CaptionSettings
from imgret.store.interface import Store
from imgret.store.policy import MAX_ATTEMPTS

PATH = b"/photos/a.jpg"


def test_what_is_queued_is_to_come_until_it_is_done_or_set_aside(
    store: Store, add: Callable[..., int]
) -> None:
    content, settings = (
        add("a.jpg", embed=False),
        Settings().with_tables(caption=CaptionSettings(weights="none")),
    )
    state = photo_state(store, settings, PATH)
    assert (state.state, state.due) == (DESCRIBED, frozenset())  # no captioner: nothing to wait for
    store.work.queue(content, ["caption"])
    state = photo_state(store, settings, PATH)
    assert (state.state, state.due) == (PENDING, {"caption"})
    for attempt in range(1, MAX_ATTEMPTS + 1):
        now = attempt * 10**6
        assert store.work.claim(["caption"], 1, now)
        store.work.failed(content, ["caption"], "it breaks", now)
        state = photo_state(store, settings, PATH)
        assert state.state == FAILED
        assert state.due == ({"caption"} if attempt < MAX_ATTEMPTS else frozenset())
    store.failures.retry()
    assert photo_state(store, settings, PATH).due == {"caption"}
    store.work.done(content, ["caption"])
    assert photo_state(store, settings, PATH).due == frozenset()
