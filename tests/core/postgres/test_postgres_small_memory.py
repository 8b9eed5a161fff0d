"""Searches and figures of a library whose lists of photos are longer than what the server keeps in memory for one list."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from postgres_server import PostgresServer

from imgret.store.clauses import Clause, Containing, Filter, Has, Objects, Phrase, Rated, Tagged
from imgret.store.factory import open_store
from imgret.store.interface import Store

PHOTOS = 20_000
PLAIN = 10  # the first photos, which nothing is known about
# A list of so many photos is longer than twice the least memory of PostgreSQL. To search it from the beginning for each photo
# takes ten times as long as the time limit, and everything here takes a hundredth of it.
LIMITS = "%20-c%20work_mem%3D64kB%20-c%20statement_timeout%3D5s"
LIBRARY = f"""
SET session_replication_role = replica;
INSERT INTO root (path) VALUES ('/p');
INSERT INTO content (hash) SELECT sha256(n::text::bytea) FROM generate_series(1, {PHOTOS}) AS n;
INSERT INTO photo (root, folder, name, folded_place, folded_name, size, mtime_ns, ctime_ns, inode, content, first_seen, last_seen)
  SELECT 1, '', id::text::bytea, '/p/', id::text, 1, 1, 1, id, id, 1, 1 FROM content;
INSERT INTO model (stage, name, revision, settings) VALUES ('caption', 'model', '1', '');
INSERT INTO stage_result (content, stage, model, payload, made_at)
  SELECT id, 'caption', 1, '["a dog"]', 1 FROM content WHERE id > {PLAIN};
INSERT INTO tag (kind, label, content, stage) SELECT 'object', label, id, 'detect'
  FROM content, unnest(ARRAY['person', 'dog']) AS label WHERE id > {PLAIN};
INSERT INTO tag (kind, label, content, stage) SELECT 'rating', '1', id, stage
  FROM content, unnest(ARRAY['metadata', 'imported']) AS stage WHERE id > {PLAIN};
INSERT INTO tag (kind, label, content, stage) SELECT 'keyword', 'holiday', id, 'metadata' FROM content WHERE id > {PLAIN};
INSERT INTO note (content, text, written_at) SELECT id, 'a dog', 1 FROM content WHERE id > {PLAIN};
INSERT INTO token (text, documents) VALUES ('dog', {PHOTOS - PLAIN});
INSERT INTO document (content, tokens) SELECT id, ARRAY[-1, 1] FROM content WHERE id > {PLAIN};
INSERT INTO letters (content, position, text, substrings) SELECT id, 1, 'adog', true FROM content WHERE id > {PLAIN};
INSERT INTO work (content, stage) SELECT id, stage FROM content, unnest(ARRAY['embed', 'ocr']) AS stage WHERE id > {PLAIN};
ANALYZE;
"""


@pytest.fixture(scope="module")
def place(postgres_server: PostgresServer) -> Iterator[str]:
    made = postgres_server.new_library()
    open_store(made).close()
    with psycopg.connect(made) as db:
        db.execute(LIBRARY)
    yield made
    postgres_server.remove_library(made)


@pytest.fixture
def store(place: str) -> Iterator[Store]:
    with open_store(f"{place}{LIMITS}") as opened:
        yield opened


@pytest.mark.parametrize(
    "filter_",
    [
        Has("objects"),
        Has("caption"),
        Has("note"),
        Has("text"),
        Has("keyword"),
        Objects("person", 1, None),
        Tagged("keyword", "holiday"),
        Rated(1, 5),
        Phrase("dog"),
        Containing("dog"),
    ],
)
def test_photos_with_and_without_what_most_have(store: Store, filter_: Filter) -> None:
    assert len(store.filters.matching([Clause(filter_, negated=False)])) == PHOTOS - PLAIN
    without = store.filters.matching([Clause(filter_, negated=True)])
    assert without.tolist() == list(range(1, PLAIN + 1))


@pytest.mark.parametrize("none", [Objects("person", 0, 0), Rated(0, 0)])
def test_photos_in_which_nothing_is_counted(store: Store, none: Filter) -> None:
    assert store.filters.matching([Clause(none, negated=False)]).tolist() == list(range(1, PLAIN + 1))
    assert len(store.filters.matching([Clause(none, negated=True)])) == PHOTOS - PLAIN


@pytest.mark.parametrize(
    ("waiting", "pending"), [((), PHOTOS - PLAIN), (("ocr",), PHOTOS - PLAIN), (("embed", "ocr"), 0)]
)
def test_the_figures_of_a_long_queue(store: Store, waiting: tuple[str, ...], pending: int) -> None:
    totals = store.summary.totals(waiting)
    assert (totals.photos, totals.pending, totals.failed) == (PHOTOS, pending, 0)
    assert len(store.summary.pending_below([b"/p"], waiting)) == pending


def test_the_figures_when_most_photos_failed(place: str, store: Store) -> None:
    with psycopg.connect(place, autocommit=True) as db:
        db.execute("UPDATE work SET error = 'broken'")
    try:
        totals = store.summary.totals()
        assert (totals.photos, totals.pending, totals.failed) == (PHOTOS, 0, PHOTOS - PLAIN)
        assert store.summary.pending_below([b"/p"]) == set()
    finally:
        with psycopg.connect(place, autocommit=True) as db:
            db.execute("UPDATE work SET error = NULL")
