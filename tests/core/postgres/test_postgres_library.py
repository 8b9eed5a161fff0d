"""What only the PostgreSQL engine has: addresses, rights, several workers, a server that restarts, HNSW."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import numpy as np
import pytest
from postgres_server import PostgresServer
from server_library import add, own

from imgret.config import Settings
from imgret.errors import ImgretError, IndexBusy, IndexProblem, IndexTooNew, ReadOnly
from imgret.photo import ModelIdentity
from imgret.places import places
from imgret.search_client import SearchClient
from imgret.store.factory import exists, open_store, restore
from imgret.store.in_memory import InMemoryIndex
from imgret.store.interface import Store
from imgret.store.postgres import pg_begin, pg_hnsw, pg_nearest
from imgret.store.postgres.postgres_store import PostgresStore
from imgret.store.records import SpaceTraits

MODEL = ModelIdentity("model", "1", "")


def test_a_server_that_cannot_be_reached_is_an_error_in_words(tmp_path: Path) -> None:
    place = f"postgresql://imgret@/library?host={tmp_path}"
    for attempt in (open_store, exists):
        with pytest.raises(IndexProblem) as refused:
            attempt(place)
        assert place in str(refused.value)
        assert refused.value.hint
    with pytest.raises(IndexProblem) as refused:  # libpq has two lines for each address
        open_store("postgresql://imgret@127.0.0.1,127.0.0.2:9/library")
    message = str(refused.value)
    assert "127.0.0.1" in message
    assert "127.0.0.2" in message
    assert "; " in message
    assert not set("\n\t") & set(message)
    assert "Is the server" not in message


def test_a_password_in_the_address_is_refused_and_not_repeated() -> None:
    with pytest.raises(IndexProblem) as refused:
        open_store("postgresql://me:secret@host/library")
    assert "secret" not in refused.value.advice
    assert "~/.pgpass" in refused.value.advice


def test_an_address_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(IndexProblem, match="address"):
        open_store("postgresql://host/library?colour=red")


def test_a_library_exists_once_it_was_made(place: str) -> None:
    assert not exists(place)
    open_store(place).close()
    assert exists(place)


def test_a_client_keeps_the_connection_by_which_it_found_a_library(place: str) -> None:
    here = msgspec.structs.replace(places(), index=place)
    with SearchClient(Settings(), here, warn=print) as client:
        assert client.found_store is None
        open_store(place).close()
        found = client.found_store
        assert found is not None
        assert client.found_store is found


def test_a_library_of_a_newer_program_is_refused(place: str) -> None:
    open_store(place).close()
    own(place, "UPDATE setting SET value = '99' WHERE key = 'schema version'")
    with pytest.raises(IndexTooNew, match="99"):
        open_store(place)


def test_a_user_with_read_access_can_search_and_not_write(place: str) -> None:
    with open_store(place) as store:
        content = add(store, 1)
        store.results.refresh_words(content)
    schema = own(place, "SELECT current_schema()")[0][0]
    own(place, "CREATE USER reader")
    own(place, f"GRANT USAGE ON SCHEMA {schema} TO reader")
    own(place, f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO reader")
    try:
        with open_store(place.replace("imgret@", "reader@")) as reader:
            assert not reader.writable
            assert reader.photos.find(b"/p/1.jpg") is not None
            assert len(reader.words.best(reader.words.terms(["1"]), 5, 100)) == 1
            with pytest.raises(ReadOnly, match="reader"):
                reader.remember("key", "value")
    finally:
        own(place, "DROP OWNED BY reader")
        own(place, "DROP USER reader")


def test_a_server_without_the_extensions_gets_the_sql_for_them(postgres_server: PostgresServer) -> None:
    own(postgres_server.uri("postgres"), "CREATE USER plain CREATEDB")
    own(postgres_server.uri("postgres"), "CREATE DATABASE bare OWNER plain")
    own(postgres_server.uri("postgres"), "CREATE DATABASE whole")
    try:
        with pytest.raises(IndexProblem) as refused:
            open_store(postgres_server.uri("bare").replace("imgret@", "plain@"))
        assert "CREATE EXTENSION vector;" in refused.value.hint
        with open_store(postgres_server.uri("whole")) as store:  # an administrator needs no help
            assert store.writable
    finally:
        for statement in ("DROP DATABASE bare", "DROP DATABASE whole", "DROP USER plain"):
            own(postgres_server.uri("postgres"), statement)


def test_it_is_no_file(store: Store, place: str, tmp_path: Path) -> None:
    with pytest.raises(IndexProblem, match="server"):
        store.backup(str(tmp_path / "copy"))
    with pytest.raises(IndexProblem, match="no file"):
        restore(place, str(tmp_path / "copy"))


def test_long_paths_and_texts_that_postgresql_cannot_store(store: Store) -> None:
    deep = b"/".join([b"x" * 250] * 16)
    content = add(store, 1, deep)
    assert store.photos.find(b"/p/" + deep + b"/1.jpg") is not None
    root = store.roots.all()[0].id
    assert store.photos.known_folders(root, deep[:-251]) == {deep}
    assert store.photos.known_folders(root, deep[:-252]) == set()
    hostile = "'; DROP TABLE photo; --\0\udcff %s $1"
    store.results.write_note(content, hostile)
    assert store.results.note(content) == hostile.replace("\0", "\N{REPLACEMENT CHARACTER}").replace(
        "\udcff", "\N{REPLACEMENT CHARACTER}"
    )
    long_word = "long" * 5000
    store.results.write_note(content, f"{long_word} end")
    assert store.words.best(store.words.terms([long_word]), 5, 100).tolist() == [content]


def test_a_store_continues_after_the_server_was_restarted(
    place: str, postgres_server: PostgresServer
) -> None:
    with open_store(place) as store, open_store(place) as writer:
        content = add(store, 1)
        with store.writing(durable=True):
            store.remember("key", "kept")
        postgres_server.kill()
        with pytest.raises(ImgretError):
            store.setting("key")
        postgres_server.start()
        assert store.setting("key") == "kept"
        writer.results.write_note(content, "after")
        assert store.results.note(content) == "after"
        with pytest.raises(ImgretError), writer.writing():
            writer.remember("key", "lost")
            postgres_server.kill()
            writer.remember("key", "never")
        postgres_server.start()
        assert writer.setting("key") == "kept"


def test_a_lock_that_is_not_free_after_a_lost_connection_leaves_no_transaction(
    store: Store, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(store, PostgresStore)
    monkeypatch.setattr(pg_begin, "BUSY_SECONDS", 1)
    with open_store(place) as busy, busy.writing():
        own(place, f"SELECT pg_terminate_backend({store.db.info.backend_pid})")
        with pytest.raises(IndexBusy):
            store.remember("key", "lost")
    assert not store.in_transaction
    store.remember("key", "kept")
    with open_store(place) as reader:
        assert reader.setting("key") == "kept"


def test_transactions_see_what_was_committed_while_they_waited(store: Store) -> None:
    assert isinstance(store, PostgresStore)
    content = add(store, 1)
    store.db.execute("SET default_transaction_isolation = 'repeatable read'")

    def level() -> object:
        return store.row("SHOW transaction_isolation")

    with store.writing():
        assert level() == ("read committed",)
    with store.claiming():
        assert level() == ("read committed",)
    assert store.changing([content], level) == ("read committed",)
    with store.reading():
        assert level() == ("repeatable read",)


def test_a_large_space_is_searched_by_hnsw_and_scored_exactly(
    store: Store, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pg_nearest, "EXACT", 300)
    monkeypatch.setattr(pg_nearest, "FEW", 50)
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(1200, 16)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    with store.writing():
        contents = [add(store, number) for number in range(1, len(rows) + 1)]
        for content, row in zip(contents, rows, strict=True):
            store.vectors.save(content, MODEL, {"passage": row}, "embed", SpaceTraits("passage"))
    space = store.vectors.active_space()
    assert space is not None
    assert store.vectors.activate_when_complete(MODEL)
    assert store.nearest.projection(space) is not None
    ids = np.array(contents, np.int64)
    half, few = ids[::2], ids[:200]
    kept = 0
    for query in rows[:40]:
        far = np.sort(ids[np.argsort(rows @ query)[:200]])  # none of what is near passes
        for among in (None, half, few, far):
            allowed = ids if among is None else among
            cosines = rows[np.isin(ids, allowed)] @ query
            wanted = set(allowed[np.argsort(-cosines)[:20]].tolist())
            found = store.nearest.search(space, query, 20, among).tolist()
            assert len(set(found)) == 20
            assert set(found) <= set(allowed.tolist())
            assert found == store.nearest.search(space, query, 20, np.sort(np.array(found))).tolist()
            kept += len(wanted & set(found))
    assert kept / (40 * 4 * 20) > 0.95  # recall

    index = InMemoryIndex(store, space)
    with open_store(place) as other:
        new = add(other, 5000)
        other.vectors.save(new, MODEL, {"passage": rows[0]}, "embed", SpaceTraits("passage"))
    assert index.refresh(store)
    assert new in index.nearest(rows[0], 2).tolist()

    # The HNSW index lacks it, and is made again when it lacks many.
    for among in (None, np.append(half, new)):
        assert new in store.nearest.search(space, rows[0], 2, among).tolist()
    assert not np.isin(new, store.nearest.search(space, rows[0], 2, half))
    (before,) = own(
        place,
        "SELECT oid, pg_get_expr(indpred, indrelid) FROM pg_class JOIN pg_index ON indexrelid = oid"
        " WHERE relname ~ '^vector_hnsw'",
    )
    assert not store.nearest.rebuild_if_outgrown(space)
    with store.writing():
        for number in range(6000, 6000 + 240):
            row = rng.normal(size=16).astype(np.float32)
            store.vectors.save(
                add(store, number),
                MODEL,
                {"passage": row / np.linalg.norm(row)},
                "embed",
                SpaceTraits("passage"),
            )
    with open_store(place) as other:
        assert isinstance(other, PostgresStore)
        other.db.execute(f"SELECT pg_advisory_lock({pg_hnsw.MAKING})")  # as while it makes one
        assert not store.nearest.rebuild_if_outgrown(space)
        other.db.execute(f"SELECT pg_advisory_unlock({pg_hnsw.MAKING})")
    assert store.nearest.rebuild_if_outgrown(space)
    assert not store.nearest.rebuild_if_outgrown(space)
    (after,) = own(
        place,
        "SELECT oid, pg_get_expr(indpred, indrelid) FROM pg_class JOIN pg_index ON indexrelid = oid"
        " WHERE relname ~ '^vector_hnsw'",
    )
    assert after != before
    assert new in store.nearest.search(space, rows[0], 2).tolist()
    projection = store.nearest.projection(space)
    assert projection is not None
    assert projection.learned_from == len(rows)  # or daemons would compute their codes again

    own(place, "CREATE INDEX vector_hnsw_1_new ON vector (id)")
    own(
        place,
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'vector_hnsw_1_new'::regclass",
    )
    assert store.problems() == ["the index vector_hnsw_1_new is not complete"]  # its process was killed
    store.vectors.rebuild()  # `doctor --rebuild`
    assert store.problems() == []


def test_the_lock_is_of_one_user_and_host(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from imgret.store.factory import writer_lock

    with writer_lock(place):
        with pytest.raises(ImgretError, match=str(os.getpid())), writer_lock(place):
            pass
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "other host"))
        with writer_lock(place):
            pass
