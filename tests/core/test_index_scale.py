"""Operations on one photo take as many steps in a library ten times as large.

Counted in steps of SQLite's virtual machine, which do not depend on the machine that runs the test: a
statement that scans a table instead of using an index is detected at once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from saving import save, save_vectors
from text_spaces import VIEWS, text_space

from imgret.photo import Detection, Facts, FileStat, ModelIdentity
from imgret.store.clauses import Clause, Tagged
from imgret.store.factory import open_store
from imgret.store.in_memory import InMemoryIndex
from imgret.store.interface import Store
from imgret.store.policy import BACKLOG
from imgret.store.records import Position
from imgret.store.sqlite import results

MODEL = ModelIdentity("model", "1")
STAGES = ("caption", "detect", "topics", "embed")
SMALL, LARGE = 200, 2000


def describe(store: Store, number: int, rows: Any) -> int:
    """Save all results of a photo."""
    root = store.roots.add(b"/photos").id
    name, digest = b"%d.jpg" % number, hashlib.blake2b(b"%d" % number, digest_size=32).digest()
    content, _ = store.photos.save(root, b"%d" % (number // 50), name, FileStat(1, 1, 1, number), digest, 1)
    store.contents.save_facts(content, Facts("JPEG", 40, 30, number), digest)
    save(store, content, "caption", MODEL, (f"a picture of thing {number}",))
    save(store, content, "detect", MODEL, (Detection("dog", 0.9, (0, 0, 1, 1)),))
    save(store, content, "topics", MODEL, ("sports",))
    store.results.refresh_words(content)
    save_vectors(store, content, MODEL, dict(zip(VIEWS, rows, strict=True)))
    store.work.queue(content, STAGES)
    return content


def claimed(store: Store, content: int) -> None:
    (claim,) = store.work.claim(STAGES, 1, 10**9, after=Position(BACKLOG, content + 1, 0))
    assert claim.content == content
    store.work.failed(content, ["caption"], "no", 1)
    store.work.release([content])
    store.work.done(content, STAGES)


def counted(store: Store, doing: Callable[[], object]) -> int:
    """Return the number of SQLite steps that `doing` takes."""
    steps = 0

    def count() -> bool:
        nonlocal steps
        steps += 1
        return False

    store.db.set_progress_handler(count, 1)
    doing()
    store.db.set_progress_handler(None)
    return steps


DOINGS: dict[str, Callable[[Store, int, Any], object]] = {
    "save vectors": lambda store, content, rows: store.vectors.save(
        content, MODEL, {"passage": rows[0], "captions": rows[1]}
    ),
    "copy": lambda store, content, _: store.results.copy(content, content - 1),
    "remove vectors": lambda store, content, _: store.vectors.remove(content),
    "read vectors": lambda store, content, _: store.vectors.of(text_space(store), np.array([content]), VIEWS),
    "write a note": lambda store, content, _: store.results.write_note(content, "Rosa in Lisbon"),
    "claim and fail": lambda store, content, _: claimed(store, content),
    "know": lambda store, content, _: (
        store.contents.facts(content), store.photos.paths(content), store.results.payloads(content),
        store.results.identities(content), store.work.of(content),
    ),
    "find": lambda store, content, _: store.photos.find(b"/photos/%d/%d.jpg" % (content // 50, content)),
    "twin": lambda store, content, _: store.results.twin(content, b"x" * 32, STAGES),
    "mark_deleted": lambda store, content, _: store.photos.mark_deleted(
        1, b"%d" % (content // 50), [b"%d.jpg" % content], now=5
    ),
    "forget": lambda store, content, _: (
        store.db.execute("DELETE FROM photo WHERE content = ?", (content,)), store.contents.forget([content])
    ),
    "look up a word": lambda store, _, __: store.words.terms(["Lisbon"]),
    "the active model": lambda store, _, __: (store.vectors.active_model(), store.nearest.projection(text_space(store))),
    "describe another": lambda store, _, rows: describe(store, 10 * LARGE, rows),
}  # fmt: skip


@pytest.fixture(scope="module")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> dict[int, str]:
    random = np.random.default_rng(1)
    paths = {}
    for size in (SMALL, LARGE):
        paths[size] = str(tmp_path_factory.mktemp("scale") / f"{size}.db")
        with open_store(paths[size]) as store, store.writing():
            for number in range(1, size + 1):
                rows = random.standard_normal((len(VIEWS), 8)).astype(np.float32)
                describe(store, number, rows / np.linalg.norm(rows, axis=1)[:, None])
    return paths


@pytest.mark.parametrize("doing", DOINGS)
def test_one_photo_costs_the_same_in_a_large_library(libraries: dict[int, str], doing: str) -> None:
    rows = np.eye(len(VIEWS), 8, dtype=np.float32)
    steps = {}
    for size, path in libraries.items():
        with open_store(path) as store:
            store.db.execute("BEGIN")
            steps[size] = counted(store, lambda: DOINGS[doing](store, SMALL // 2 + 1, rows))
            store.db.execute("ROLLBACK")
    assert steps[SMALL] > 0
    assert steps[LARGE] < 1.5 * steps[SMALL] + 100, steps


def test_loading_commits_of_others_costs_the_same_in_a_large_library(libraries: dict[int, str]) -> None:
    steps = {}
    for size, path in libraries.items():
        with open_store(path) as store, open_store(path) as other:
            memory = InMemoryIndex(store, text_space(store))
            describe(other, 20 * LARGE, np.eye(len(VIEWS), 8, dtype=np.float32))
            steps[size] = counted(store, partial(memory.refresh, store))
            assert len(memory) == size + 1
    assert steps[LARGE] < 1.5 * steps[SMALL] + 100, steps


def test_a_filter_may_mean_more_labels_than_a_statement_may_have_values(store: Store) -> None:
    root = store.roots.add(b"/photos").id
    content, _ = store.photos.save(root, b"", b"a.jpg", FileStat(1, 1, 1, 1), b"a" * 32, 1)
    rows = [("keyword", f"word {number}", content, "metadata") for number in range(40_000)]
    with store.writing() as db:
        db.executemany("INSERT INTO tag (kind, label, content, stage) VALUES (?, ?, ?, ?)", rows)  # type: ignore[attr-defined]
    for name, negated, found in (("word", False, [content]), ("word", True, []), ("tree", False, [])):
        assert store.filters.matching([Clause(Tagged("keyword", name), negated)]).tolist() == found


def test_a_stage_is_forgotten_in_short_transactions(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "AT_ONCE", 2)
    monkeypatch.setattr(results, "DROPPED", 3)
    rows = np.eye(len(VIEWS), 8, dtype=np.float32)
    for number in range(7):
        describe(store, number, rows)
    before = store.words.best(store.words.terms(["dog", "sports"]), 99, 99)
    store.forget_stage("detect")
    assert len(before) == 7
    assert store.facets.kinds() == ["topic"]
    assert all(
        set(store.results.identities(each)) == {"caption", "topics", "embed"} for each in before.tolist()
    )
    assert len(store.words.best(store.words.terms(["dog"]), 99, 99)) == 0
    assert len(store.words.best(store.words.terms(["sports"]), 99, 99)) == 7
