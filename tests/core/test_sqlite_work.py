"""Rows of the work table that an older version wrote. What every store must do is tested in tests/store."""

from __future__ import annotations

from saving import STAGES

from imgret.photo import FileStat
from imgret.store import policy
from imgret.store.interface import Store

NOW = 1_000_000


def test_what_an_older_version_left_without_a_reason_is_reported_and_retried(store: Store) -> None:
    root = store.roots.add(b"/p")
    content, _ = store.photos.save(root.id, b"", b"a.jpg", FileStat(1, 1, 1, 1), b"a" * 32, NOW)
    store.work.queue(content, STAGES)
    with store.writing() as db:
        db.execute("UPDATE work SET attempts = ?, claim = -1", (policy.MAX_ATTEMPTS,))
    store.work.recover()
    assert [failure.error for failure in store.failures.all()] == [policy.CRASHED]
    assert store.failures.retry() == 1
    assert [claim.content for claim in store.work.claim(STAGES, 9, NOW)] == [content]
