"""SQL, patterns and control characters in every text that comes from outside: they are data."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st
from store_engines import Engine
from store_library import CAPTION, DECODE, NOW, put, save_caption

from imgret.photo import Facts, ModelIdentity, Tag
from imgret.search import parse
from imgret.store.clauses import Clause, Inside, Named, Phrase, Tagged
from imgret.store.interface import Store

FRAGMENTS = ["'", '"', ";", "--", "/*", "%s", "%", "_", "\\", "$1", "?1", ":x", "{}", "NULL", "\n", "DROP TABLE photo", "OR 1=1",
             "*", "^", "NEAR(", "AND", "imgret", "é", "海", "\0"]  # fmt: skip
HOSTILE = st.lists(st.sampled_from(FRAGMENTS), min_size=1, max_size=5).map(" ".join)
TEXTS = st.one_of(HOSTILE, st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30))


@settings(max_examples=10, deadline=None)
@given(st.data())
def test_texts_are_data(engine: Engine, data: st.DataObject) -> None:
    note, label, kind, caption, reason = (data.draw(TEXTS) for _ in range(5))
    name = data.draw(HOSTILE).replace("\0", "").replace("/", "|").encode("utf-8", "replace")
    folder = data.draw(HOSTILE).replace("\0", "").replace("/", "|").encode("utf-8", "replace") or b"folder"
    with engine.empty() as store:
        other = put(store, b"/photos/other.jpg")
        path = b"/photos/" + folder + b"/" + name
        content = put(store, path)
        store.contents.save_facts(content, Facts("JPEG", 1, 1, NOW, caption), b"p" * 32)
        store.results.write_note(content, note)
        store.results.import_tags(content, [Tag("keyword", label)])
        save_caption(store, content, caption, ModelIdentity(label, kind, reason))
        store.remember("key", "value")
        store.work.queue(content, [CAPTION, DECODE])
        store.work.failed(content, [CAPTION], reason, NOW)
        store.roots.mark_offline(store.roots.all()[0].id, reason)
        with store.reading():
            _search(store, [note, label, kind, caption], folder, name)

        assert store.photos.find(path) is not None
        assert {photo.path for photo in store.photos.paths(content)} == {path}
        assert store.setting("key") == "value"
        assert store.photos.find(b"/photos/other.jpg") is not None
        assert store.results.note(other) is None
        assert (store.results.note(content) is None) == (not note.strip())
        assert len(store.results.identities(content)) == 1
        assert store.summary.totals().photos == 2


def _search(store: Store, texts: list[str], folder: bytes, name: bytes) -> None:
    for text in texts:
        terms = store.words.terms([text])
        store.words.best(terms, 5, 100)
        query = parse.parse(text, datetime.fromtimestamp(NOW, UTC).replace(tzinfo=None))
        for clauses in (
            query.clauses,
            [Clause(Named(text)), Clause(Inside(b"/photos/" + folder))],
            [Clause(Tagged("keyword", text))],
            [Clause(Phrase(text), negated=True)],
            [Clause(Named(name.decode("utf-8", "replace")))],
        ):
            store.filters.matching(clauses)
        assert store.setting(text) is None or text == "key"
        store.facets.labels(text)
        store.photos.find(b"/photos/" + text.encode("utf-8", "replace").replace(b"\0", b""))
