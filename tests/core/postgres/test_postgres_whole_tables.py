"""Searches read no whole table of a large library."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from coded_library import add, vectors
from server_library import own

from imgret.config import Settings, places
from imgret.search import rank
from imgret.search.parse import ParsedQuery
from imgret.search.request import SearchRequest
from imgret.search.service import SearchService
from imgret.store.factory import open_store
from imgret.store.interface import Store

MANY = 20_000
FILL = f"""
CREATE TEMP TABLE filled AS SELECT n, sha256(n::text::bytea) AS hash FROM generate_series(1000, {MANY + 1000}) AS n;
INSERT INTO content (id, hash, pixels, format) SELECT n, hash, sha256(hash), 'PNG' FROM filled;
INSERT INTO photo (root, folder, name, folded_place, folded_name, size, mtime_ns, ctime_ns, inode, content, first_seen, last_seen)
  SELECT min(root.id), '', n::text::bytea, '/photos/', n::text, 1, 1, 1, n, n, 1, 1 FROM root, filled GROUP BY n;
INSERT INTO document (content, tokens) SELECT n, ARRAY[-1, 1000000] FROM filled
"""
READ = """
SELECT relname, seq_tup_read FROM pg_stat_user_tables
WHERE schemaname = current_schema() AND relname IN ('content', 'photo', 'document')
"""


@pytest.fixture
def large(place: str) -> Iterator[Store]:
    """A library of many photos, a few of which have vectors and notes."""
    with open_store(place) as made:
        add(made, range(1, 31))
        for content in range(1, 11):
            made.results.write_note(content, "a holiday")
    own(place, FILL)
    own(place, "VACUUM ANALYZE")
    with open_store(place) as opened:
        yield opened


def read_whole(store: Store, place: str) -> dict[str, int]:
    """How many rows of each table were read without an index."""
    store.row("SELECT pg_stat_force_next_flush()")  # type: ignore[attr-defined]
    store.setting("anything")
    return {str(name): int(str(rows)) for name, rows in own(place, READ)}


def test_searches_use_indexes(large: Store, place: str) -> None:
    service = SearchService(large, Settings(), places())
    before = read_whole(large, place)
    assert len(before) == 3
    for number in range(7):  # psycopg prepares a statement then, and the server may plan it for any values
        assert service.find(SearchRequest(text="holiday", rank="words")).hits
        assert service.find(SearchRequest(text="holiday has:note", rank="words")).hits
        assert service.find(SearchRequest(like="/photos/7.jpg")).hits
        assert large.contents.copies(hash_=bytes(32)) == large.contents.copies(pixels=bytes(32)) == []
        assert rank.search(large, ParsedQuery(), None, towards=vectors(number + 1)[0]).hits
    after = read_whole(large, place)
    assert {name: rows - before[name] for name, rows in after.items() if rows - before[name] >= MANY} == {}
