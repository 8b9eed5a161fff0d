"""Claims of several workers of one library on a PostgreSQL server."""

from __future__ import annotations

from pathlib import Path

import pytest
from server_library import NOW, STAGES, add, own

from imgret.store.factory import open_store
from imgret.store.interface import Store
from imgret.store.postgres import pg_workers
from imgret.store.postgres.pg_address import Database
from imgret.store.postgres.postgres_store import PostgresStore


def rows_read(db: Database) -> int:
    """How many rows of the tables this transaction has read."""
    read: int = db.execute(
        "SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::int FROM pg_stat_xact_user_tables"
        " WHERE schemaname = current_schema()"
    ).get
    return read


def test_workers_do_not_take_what_others_hold(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_store(place) as one, open_store(place) as other:
        contents = {add(one, number) for number in range(1, 9)}
        for content in contents:
            one.work.queue(content, STAGES)
        ours = {each.content for each in one.work.claim(STAGES, 3, NOW)}
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "other host"))
        other.roots.mark_online(one.roots.all()[0].id, None)
        theirs = {each.content for each in other.work.claim(STAGES, 3, NOW)}
        assert not ours & theirs
        other.work.release()
        other.work.recover()
        assert {each.content for each in other.work.claim(STAGES, 9, NOW)} == contents - ours
        assert other.work.claim_suspect(STAGES, NOW) is None

        # The first worker is silent for longer than its lease: its photos return, as those of a dead process.
        own(
            place,
            f"UPDATE worker SET seen_at = seen_at - interval '{pg_workers.LEASE + 1} s'"
            f" WHERE id = (SELECT worker FROM work WHERE content = {min(ours)} LIMIT 1)",
        )
        other.work.release()
        other.work.recover()
        suspects = set()
        while (suspect := other.work.claim_suspect(STAGES, NOW, suspects)) is not None:
            suspects.add(suspect.content)
            other.work.done(suspect.content, suspect.stages)
        assert suspects == ours


def test_a_claim_waits_for_no_transaction(store: Store, place: str) -> None:
    contents = [add(store, number) for number in range(1, 9)]
    for content in contents:
        store.work.queue(content, STAGES)
    store.workers.report("describing", "cpu", 0.0)
    token = store.change_token()
    with open_store(place) as busy, busy.writing() as db:
        busy.results.write_note(contents[0], "a transaction that takes long")
        assert isinstance(busy, PostgresStore)
        db.execute("SELECT 1 FROM content WHERE id = %s FOR UPDATE", (contents[-1],))
        claimed = store.work.claim(STAGES, 4, NOW)
        assert [each.content for each in claimed] == contents[-2:-5:-1]  # the newest is locked
        assert store.change_token() == token  # whoever waits for changes sleeps on
        assert store.work.claim(STAGES, 9, NOW, after=claimed[-1].position)
    assert [each.content for each in store.work.claim(STAGES, 9, NOW)] == contents[-1:]


def test_a_claim_reads_few_rows_of_a_long_queue(store: Store) -> None:
    assert isinstance(store, PostgresStore)
    with store.writing():
        for number in range(1, 1501):
            store.work.queue(add(store, number), STAGES)
    store.checkpoint()
    with store.writing() as db:
        assert len(store.work.claim(STAGES, 10, NOW)) == 10
        assert 0 < rows_read(db) < 500  # not all photos


def test_a_worker_that_starts_again_gets_back_what_it_held(place: str) -> None:
    with open_store(place) as before:
        content = add(before, 1)
        before.work.queue(content, STAGES)
        assert len(before.work.claim(STAGES, 3, NOW)) == 1
    with open_store(place) as after:
        assert after.work.claim(STAGES, 3, NOW) == []
        after.work.recover()
        suspect = after.work.claim_suspect(STAGES, NOW)
        assert suspect is not None
        assert suspect.content == content


def test_a_host_that_can_do_nothing_of_a_long_queue_does_not_read_it(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_store(place) as one:
        with one.writing():
            for number in range(1, 1501):
                one.work.queue(add(one, number), STAGES)
        one.checkpoint()
        own(place, "ANALYZE")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "other host"))
    with open_store(place) as other:
        assert isinstance(other, PostgresStore)
        for _ in ("no folder", "a folder without photos"):
            with other.writing() as db:
                assert other.work.due(STAGES, NOW, at_most=1) == 0
                assert other.work.claim(STAGES, 10, NOW) == []
                assert rows_read(db) < 500
            assert other.work.due(STAGES, NOW) == 0
            other.roots.add(bytes(tmp_path))
