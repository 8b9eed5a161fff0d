"""The schema of a library: names that need quotes, other settings in the address, and other libraries in the search path."""

from __future__ import annotations

import time
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from postgres_server import PostgresServer
from server_library import add, own

from imgret.errors import IndexMissing, IndexProblem, ReadOnly
from imgret.store.copying import COPYING
from imgret.store.factory import changes, discard, exists, open_store, server_lacks
from imgret.store.postgres.pg_schema import first_of
from imgret.store.postgres.postgres_store import PostgresStore

SCHEMAS = [
    ('"Photos",public', "Photos"),
    ("MyPhotos , public", "myphotos"),
    ('"my photos", public', "my photos"),
    ('"its ""best"", of all", public', 'its "best", of all'),
    ("my-photos,public", "my-photos"),
    ('"$user",public', "imgret"),
    ("Überall,public", "Überall"),
    (f"{'x' * 70},public", "x" * 63),
]


@pytest.fixture
def database(postgres_server: PostgresServer) -> Iterator[str]:
    """The address of an empty database whose extensions are in a schema of their own."""
    admin = postgres_server.uri("postgres")
    own(admin, "CREATE DATABASE apart")
    own(postgres_server.uri("apart"), "CREATE SCHEMA tools; CREATE EXTENSION vector SCHEMA tools")
    own(postgres_server.uri("apart"), "CREATE EXTENSION pg_trgm SCHEMA tools")
    yield postgres_server.uri("apart")
    own(admin, "DROP DATABASE apart WITH (FORCE)")


def with_options(address: str, options: str) -> str:
    """An address with these options of the server."""
    return f"{address}&options={quote(options)}"


def with_path(address: str, path: str) -> str:
    """An address with this search path."""
    escaped = path.replace(" ", "\\ ")
    return with_options(address, f"-c search_path={escaped}")


def schema_of(place: str) -> str:
    with open_store(place) as store:
        assert isinstance(store, PostgresStore)
        return str(store.db.execute("SELECT current_schema()").get)


@pytest.mark.parametrize(("path", "schema"), SCHEMAS)
def test_a_library_is_found_again_by_its_search_path(
    postgres_server: PostgresServer, path: str, schema: str
) -> None:
    place = with_path(postgres_server.uri("postgres"), path)
    assert first_of(path, "imgret") == schema
    assert not exists(place)
    try:
        assert schema_of(place) == schema
        assert exists(place)
        assert server_lacks(place) == []
        listening = changes(place)
        assert listening is not None
        with open_store(place, create=False) as store:
            content = add(store, 1)
            assert store.results.write_note(content, "a note") == [content]
            assert store.problems() == store.documents.check() == []
            store.remember(COPYING, "1")
        own(place, "UPDATE counter SET value = value + 1 WHERE name = 'change'")  # another process
        noticed, until = False, time.monotonic() + 10
        while not noticed and time.monotonic() < until:
            noticed = listening.wait(1.0)
        listening.close()
        assert noticed
        discard(place)
        assert not exists(place)
    finally:
        name = schema.replace('"', '""')
        own(postgres_server.uri("postgres"), f'DROP SCHEMA IF EXISTS "{name}" CASCADE')


def test_a_listener_hears_only_its_own_library(postgres_server: PostgresServer) -> None:
    both = [with_path(postgres_server.uri("postgres"), path) for path in ('"a",public', '"a b",public')]
    try:
        open_store(both[0]).close()
        with open_store(both[1]) as other:
            listening = changes(both[0])
            assert listening is not None
            other.remember("key", "value")
            assert not listening.wait(0.3)
        own(both[0], "UPDATE counter SET value = value + 1 WHERE name = 'change'")
        assert listening.wait(10)
        listening.close()
    finally:
        own(postgres_server.uri("postgres"), 'DROP SCHEMA IF EXISTS "a", "a b" CASCADE')


@pytest.mark.parametrize(
    ("options", "schema"),
    [
        ("-c statement_timeout=60000", "imgret"),
        ("-c search_path=lab,public -c statement_timeout=60000", "lab"),
        ("-csearch_path=lab,public", "lab"),
        ("--search_path=lab,public", "lab"),
        ("--Search-Path=lab,public", "lab"),
    ],
)
def test_options_without_a_search_path_keep_ours(
    postgres_server: PostgresServer, options: str, schema: str
) -> None:
    place = with_options(postgres_server.uri("postgres"), options)
    try:
        assert schema_of(place) == schema
    finally:
        own(postgres_server.uri("postgres"), f"DROP SCHEMA IF EXISTS {schema} CASCADE")


def test_a_library_that_is_later_in_the_search_path_is_another_one(database: str) -> None:
    later, first = (with_path(database, path) for path in ("public,tools", "lab,public,tools"))
    with open_store(later) as store:
        content = add(store, 1)
        store.results.write_note(content, "a note")
    own(later, "CREATE INDEX vector_hnsw_1_new ON vector (id)")
    assert not exists(first)
    with pytest.raises(IndexMissing):
        open_store(first, create=False)
    functions = (
        "SELECT proname, pronamespace FROM pg_proc WHERE pronamespace = 'public'::regnamespace ORDER BY 1"
    )
    before = own(later, functions)
    with open_store(first) as copy:
        assert isinstance(copy, PostgresStore)
        assert copy.photos.find(b"/p/1.jpg") is None
        copy.vectors.rebuild()  # drops what a process that was killed has left
        copy.remember(COPYING, "1")
    discard(first)
    assert own(later, functions) == before
    assert own(later, "SELECT to_regclass('public.vector_hnsw_1_new') IS NOT NULL") == [(True,)]
    with open_store(later, create=False) as store:
        assert store.results.note(content) == "a note"
        store.work.queue(content, ["caption"])
        assert store.work.waiting() == {"caption": 1}


def test_a_search_path_that_cannot_be_used_is_a_sentence(database: str) -> None:
    with pytest.raises(IndexProblem, match="extension vector is in the schema tools, which") as refused:
        open_store(with_path(database, "lab,public"))
    assert "search_path%3Dlab,tools" in refused.value.hint
    with pytest.raises(IndexProblem, match="cannot be in the schema tools"):
        open_store(with_path(database, "tools"))
    found = own(database, "SELECT nspname FROM pg_namespace WHERE nspname = 'lab'")
    assert found == []  # nothing was made


def test_a_schema_that_the_user_may_not_use_is_no_missing_library(postgres_server: PostgresServer) -> None:
    place = with_path(postgres_server.uri("postgres"), '"Its own",public')
    open_store(place).close()
    own(postgres_server.uri("postgres"), "CREATE USER stranger")
    try:
        for create in (False, True):
            with pytest.raises(ReadOnly, match="stranger may not use the schema Its own") as refused:
                open_store(place.replace("imgret@", "stranger@"), create=create)
            assert "imgret doctor" in refused.value.hint
        (lack,) = server_lacks(place.replace("imgret@", "stranger@"))
        own(place, lack.partition(": ")[2])
        assert 'GRANT USAGE ON SCHEMA "Its own" TO stranger' in lack
    finally:
        own(place, "DROP OWNED BY stranger")
        own(place, 'DROP SCHEMA "Its own" CASCADE')
        own(place, "DROP USER stranger")
