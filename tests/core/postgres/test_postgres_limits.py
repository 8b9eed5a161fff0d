"""What a PostgreSQL server may lack or limit: extensions, rights, connections, time, disk; and the clocks of hosts."""

from __future__ import annotations

import fcntl
import os
import subprocess
import threading
import time
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest
from loopback_proxy import LoopbackProxy
from postgres_server import PostgresServer
from server_library import NOW, STAGES, add, own

from imgret.errors import DiskFull, IndexBusy, IndexProblem, IndexTooNew
from imgret.places import state_file
from imgret.store.factory import open_store, server_lacks
from imgret.store.postgres import host_lock, pg_migrate
from imgret.store.postgres.postgres_store import PostgresStore


def test_processes_that_begin_at_once_are_one_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    place = "postgresql://server/photos"
    (tmp_path / "imgret").mkdir()
    found: list[str] = []
    # Another process has made the file, and is about to write the name.
    fd = os.open(state_file(place, ".worker"), os.O_RDWR | os.O_CREAT)
    fcntl.flock(fd, fcntl.LOCK_EX)
    reader = threading.Thread(target=lambda: found.append(host_lock.worker_name(place)))
    reader.start()
    reader.join(0.2)
    os.pwrite(fd, b"other\n", 0)
    os.close(fd)
    reader.join()
    assert found == ["other"]
    assert host_lock.worker_name(place) == "other"


def test_doctor_reports_what_the_server_lacks(postgres_server: PostgresServer, place: str) -> None:
    admin = postgres_server.uri("postgres")
    assert server_lacks(place) == []
    own(admin, "CREATE USER plain")
    own(admin, "CREATE DATABASE bare")
    try:
        extensions, schema = server_lacks(postgres_server.uri("bare").replace("imgret@", "plain@"))
        assert "CREATE EXTENSION vector; CREATE EXTENSION pg_trgm;" in extensions
        assert schema.endswith("GRANT CREATE ON DATABASE bare TO plain;")
        statements = f"{extensions.partition(': ')[2]} {schema.partition(': ')[2]}"
        own(postgres_server.uri("bare"), statements)
        assert server_lacks(postgres_server.uri("bare").replace("imgret@", "plain@")) == []
        open_store(place).close()
        (lack,) = server_lacks(place.replace("imgret@", "plain@"))
        own(place, lack.partition(": ")[2])
        (lack,) = server_lacks(place.replace("imgret@", "plain@")) or ("",)
        own(place, lack.partition(": ")[2] or "SELECT 1")
        assert server_lacks(place.replace("imgret@", "plain@")) == []
        with open_store(place.replace("imgret@", "plain@")) as store:
            assert store.writable
            add(store, 1)
    finally:
        own(place, "DROP OWNED BY plain")
        for statement in ("DROP DATABASE bare", "DROP USER plain"):
            own(admin, statement)


def test_the_limit_of_connections_and_a_statement_timeout_are_sentences(
    postgres_server: PostgresServer, place: str
) -> None:
    admin = postgres_server.uri("postgres")
    open_store(place).close()
    own(admin, "CREATE USER few SUPERUSER CONNECTION LIMIT 1")
    own(admin, "ALTER USER few NOSUPERUSER")
    own(admin, "GRANT imgret TO few")
    try:
        limited = place.replace("imgret@", "few@")
        with open_store(limited), pytest.raises(IndexBusy, match="no more connections"):
            open_store(limited)
        with open_store(f"{place}%20-c%20statement_timeout%3D50") as store:
            with pytest.raises(IndexBusy, match="ended a statement") as refused:
                store.row("SELECT pg_sleep(5)")  # type: ignore[attr-defined]
            assert "statement_timeout" in refused.value.hint
    finally:
        own(admin, "DROP USER few")


def test_only_the_clock_of_the_server_decides_leases(
    postgres_server: PostgresServer, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_store(place) as one, open_store(place) as other:
        content = add(one, 1)
        one.work.queue(content, STAGES)
        later = NOW + 300  # the clocks of the hosts are five minutes apart
        assert len(one.work.claim(STAGES, 3, NOW)) == 1
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "other host"))
        other.roots.mark_online(one.roots.all()[0].id, None)
        other.work.recover()
        assert other.work.claim(STAGES, 3, later) == []
        one.work.failed(content, STAGES, "it failed", later)
        assert [each.content for each in other.work.claim(STAGES, 3, later + 3600)] == [content]


def test_an_old_server_is_refused(postgres_server: PostgresServer, place: str) -> None:
    open_store(place).close()
    own_version, old = b"server_version\x0018.", b"server_version\x0015."
    with LoopbackProxy(postgres_server.folder, (own_version, old)) as proxy:
        through = proxy.place(place, postgres_server.folder)
        with pytest.raises(IndexProblem, match="is PostgreSQL 15; imgret needs 16 or later"):
            open_store(through)
        assert server_lacks(through) == ["the server is PostgreSQL 15; update it to 16 or later"]
    assert server_lacks(place) == []


def test_a_server_before_18_has_no_least_bytea(place: str) -> None:
    open_store(place).close()
    own(
        place,
        "CREATE FUNCTION fail(bytea, bytea) RETURNS bytea LANGUAGE plpgsql AS $$ BEGIN RAISE 'no min(bytea)'; END $$;"
        "CREATE AGGREGATE min(bytea) (SFUNC = fail, STYPE = bytea)",
    )
    with open_store(place.replace("%2Cpublic", "%2Cpublic%2Cpg_catalog")) as store:  # ours comes first
        assert isinstance(store, PostgresStore)
        with pytest.raises(IndexProblem, match="no min"):
            store.row("SELECT min('x'::bytea)")
        add(store, 10)
        add(store, 9)
        assert [each for traits in store.signatures.traits() for each in traits.names] == [
            b"10.jpg",
            b"9.jpg",
        ]
        inner = store.roots.add(b"/outer/inner").id
        own(place, f"INSERT INTO root_seen VALUES ({inner}, 'other', NULL, true, NULL, '/elsewhere/inner')")
        with pytest.raises(IndexProblem, match="at /elsewhere/inner, so"):
            store.roots.add(b"/outer")


def test_a_server_without_pgvector_is_refused(postgres_server: PostgresServer) -> None:
    admin, bare = postgres_server.uri("postgres"), postgres_server.uri("bare")
    own(admin, "CREATE DATABASE bare")
    try:  # the server looks for extensions where there are none
        own(admin, "ALTER DATABASE bare SET extension_control_path = '/nowhere'")
        with pytest.raises(IndexProblem, match="lacks an extension that imgret needs") as refused:
            open_store(bare)
        assert "install pgvector 0.8 or later" in refused.value.hint
        assert any("does not offer the extension vector" in lack for lack in server_lacks(bare))
        assert own(bare, "SELECT nspname FROM pg_namespace WHERE nspname = 'imgret'") == []
    finally:
        own(admin, "DROP DATABASE bare")


def test_an_older_process_stops_when_a_newer_one_has_migrated(
    place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = pg_migrate.Migration(99, "0099-later.sql", "ALTER TABLE note ADD COLUMN later text NOT NULL")
    with open_store(place) as old:
        content = add(old, 1)
        old.work.queue(content, STAGES)
        ours = pg_migrate.migrations()

        def migrate() -> None:
            with monkeypatch.context() as newer:
                newer.setattr(pg_migrate, "migrations", lambda: [*ours, later])
                open_store(place).close()

        with old.writing():  # the migration waits for it
            old.results.refresh_words(content)
            thread = threading.Thread(target=migrate)
            thread.start()
            time.sleep(0.2)
            assert old.photos.find(b"/p/1.jpg") is not None
        thread.join(60)
        for write in (
            lambda: old.results.write_note(content, "a note"),
            lambda: old.work.claim(STAGES, 1, NOW),
            lambda: old.remember("key", "value"),
        ):
            with pytest.raises(IndexTooNew, match="99"):
                write()
        assert old.photos.find(b"/p/1.jpg") is not None  # it can still be searched
        with pytest.raises(IndexTooNew, match="99"):
            open_store(place)


@pytest.mark.must_run
def test_a_full_disk_of_the_server_loses_nothing(
    postgres_server: PostgresServer, place: str, tmp_path: Path
) -> None:
    admin, folder = postgres_server.uri("postgres"), postgres_server.folder / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m,mode=700,uid=65534,gid=65534", "tmpfs", folder],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("mounting needs root")
    try:
        with open_store(place) as store:
            content = add(store, 1)
            store.results.write_note(content, "kept")
            own(admin, f"CREATE TABLESPACE small LOCATION '{folder}'")
            own(place, "ALTER TABLE note SET TABLESPACE small")
            noise = np.random.default_rng(1)
            with pytest.raises(DiskFull, match="disk is full"):
                for number in range(2, 400):
                    store.results.write_note(add(store, number), noise.bytes(6000).hex())
            assert store.results.note(content) == "kept"
            own(place, "ALTER TABLE note SET TABLESPACE pg_default")
            store.results.write_note(content, "goes on")
            assert store.results.note(content) == "goes on"
            assert store.problems() == store.documents.check() == []
    finally:
        own(place, "ALTER TABLE IF EXISTS note SET TABLESPACE pg_default")
        own(admin, "DROP TABLESPACE IF EXISTS small")
        subprocess.run(["umount", "-l", folder], check=True)


def test_several_make_a_library_where_transactions_are_serializable(place: str) -> None:
    strict = place.replace("&options=", f"&options={quote('-c default_transaction_isolation=serializable ')}")
    errors: list[Exception] = []

    def make() -> None:
        try:
            open_store(strict).close()
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not errors
    assert server_lacks(strict) == []
