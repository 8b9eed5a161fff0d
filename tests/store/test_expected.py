"""Reading contents that were announced: the same as without announcing them."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from store_engines import Engine
from store_library import CAPTION, MODEL, NOW, put

from imgret.photo import Facts, PhotoDate, Tag
from imgret.store.clauses import Clause, Named
from imgret.store.interface import Store

NUMBERS = st.integers(0, 5)  # of contents; the last one is not there


def _made(store: Store) -> list[int]:
    contents = [put(store, b"/photos/%d.jpg" % number, str(number)) for number in range(5)]
    put(store, b"/photos/copy.jpg", "0")
    store.contents.save_facts(contents[0], Facts("JPEG", 4, 3, NOW), b"p" * 32)
    store.contents.save_date(contents[1], PhotoDate(NOW, "name"))
    store.results.write_note(contents[2], "a note")
    store.results.import_tags(contents[3], [Tag("keyword", "Rome")])
    store.results.save(contents[0], CAPTION, MODEL, "a dog")
    return [*contents, contents[-1] + 1]


def _read(store: Store, content: int) -> object:
    return (
        store.contents.facts(content),
        store.contents.date(content),
        store.results.note(content),
        store.results.pixels(content),
        store.results.payloads(content),
        store.results.imported_tags(content),
        store.filters.showing([], content),
        store.filters.showing([Clause(Named("copy"))], content),
    )


@settings(max_examples=30, deadline=None)
@given(st.lists(NUMBERS, max_size=6), st.lists(NUMBERS, max_size=6))
def test_what_is_expected_is_read_as_it_is(engine: Engine, expected: list[int], read: list[int]) -> None:
    with engine.connections(2) as (store, other):
        contents = _made(store)
        alone = [_read(store, contents[number]) for number in read]
        with store.reading():
            store.expect([contents[number] for number in expected])
            assert [_read(store, contents[number]) for number in read] == alone
            other.results.write_note(contents[0], "new")
            assert [_read(store, contents[number]) for number in read] == alone  # still the snapshot
        for number in read:
            assert store.results.note(contents[number]) == other.results.note(contents[number])


def test_a_transaction_that_writes_reads_its_own_changes(store: Store) -> None:
    contents = _made(store)
    with store.writing():
        store.expect(contents)
        assert store.results.note(contents[0]) is None
        store.results.write_note(contents[0], "new")
        assert store.results.note(contents[0]) == "new"
