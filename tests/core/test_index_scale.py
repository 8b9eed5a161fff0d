"""What is done for one photo costs the same in a small library and in one ten times as large.

Counted in steps of SQLite's virtual machine, which do not depend on the machine that runs the test: a
statement that walks over a table instead of looking into an index shows at once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

from imgret.photo import Detection, Facts, Fingerprint, ModelIdentity, Stage, View
from imgret.store.in_memory import Memory
from imgret.store.sqlite import contents, nearest, photos, results, roots, vectors, words, work
from imgret.store.sqlite.connection import Index

MODEL = ModelIdentity("model", "1")
STAGES = (Stage.CAPTION, Stage.DETECT, Stage.TOPICS, Stage.EMBED)
SMALL, LARGE = 200, 2000


def describe(index: Index, number: int, rows: Any) -> int:
    """Everything that is saved of a photo."""
    root = roots.add(index, b"/photos").id
    name, digest = b"%d.jpg" % number, hashlib.blake2b(b"%d" % number, digest_size=32).digest()
    content, _ = photos.save(
        index, root, b"%d" % (number // 50), name, Fingerprint(1, 1, 1, number), digest, 1
    )
    contents.save_facts(index, content, Facts("JPEG", 40, 30, number), digest)
    results.save_caption(index, content, MODEL, f"a picture of thing {number}")
    results.save_detections(index, content, MODEL, [Detection("dog", 0.9, (0, 0, 1, 1))], {"dog": 1})
    results.save_topics(index, content, MODEL, ["sports"])
    results.refresh_words(index, content)
    results.save_vectors(index, content, MODEL, dict(zip(View, rows, strict=True)))
    work.queue(index, content, STAGES)
    return content


def claimed(index: Index, content: int) -> None:
    (claim,) = work.claim(index, STAGES, 1, 10**9, after=content - 1)
    assert claim.content == content
    work.failed(index, content, [Stage.CAPTION], "no", 1)
    work.release(index, [content])
    work.done(index, content, STAGES)


def counted(index: Index, doing: Callable[[], object]) -> int:
    """The steps that this takes."""
    steps = 0

    def count() -> bool:
        nonlocal steps
        steps += 1
        return False

    index.db.set_progress_handler(count, 1)
    doing()
    index.db.set_progress_handler(None)
    return steps


DOINGS: dict[str, Callable[[Index, int, Any], object]] = {
    "save vectors": lambda index, content, rows: vectors.save(
        index, content, MODEL, {View.PASSAGE: rows[0], View.CAPTION: rows[1]}
    ),
    "copy": lambda index, content, _: results.copy(index, content, content - 1),
    "remove vectors": lambda index, content, _: vectors.remove(index, content),
    "read vectors": lambda index, content, _: vectors.of(index, np.array([content])),
    "write a note": lambda index, content, _: results.write_note(index, content, "Rosa in Lisbon"),
    "claim and fail": lambda index, content, _: claimed(index, content),
    "know": lambda index, content, _: (
        contents.facts(index, content), photos.paths(index, content), results.description(index, content),
        results.identities(index, content), work.of(index, content),
    ),
    "find": lambda index, content, _: photos.find(index, b"/photos/%d/%d.jpg" % (content // 50, content)),
    "twin": lambda index, content, _: results.twin(index, content, b"x" * 32, STAGES),
    "bury": lambda index, content, _: photos.bury(
        index, 1, b"%d" % (content // 50), [b"%d.jpg" % content], now=5
    ),
    "forget": lambda index, content, _: (
        index.db.execute("DELETE FROM photo WHERE content = ?", (content,)), contents.forget(index, [content])
    ),
    "look up a word": lambda index, _, __: words.terms(index, ["Lisbon"]),
    "what answers": lambda index, _, __: (vectors.answering(index), nearest.projection(index.db)),
    "describe another": lambda index, _, rows: describe(index, 10 * LARGE, rows),
}  # fmt: skip


@pytest.fixture(scope="module")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> dict[int, str]:
    random = np.random.default_rng(1)
    paths = {}
    for size in (SMALL, LARGE):
        paths[size] = str(tmp_path_factory.mktemp("scale") / f"{size}.db")
        with Index(paths[size]) as index, index.writing():
            for number in range(1, size + 1):
                rows = random.standard_normal((len(View), 8)).astype(np.float32)
                describe(index, number, rows / np.linalg.norm(rows, axis=1)[:, None])
    return paths


@pytest.mark.parametrize("doing", DOINGS)
def test_one_photo_costs_the_same_in_a_large_library(libraries: dict[int, str], doing: str) -> None:
    rows = np.eye(len(View), 8, dtype=np.float32)
    steps = {}
    for size, path in libraries.items():
        with Index(path) as index:
            index.db.execute("BEGIN")
            steps[size] = counted(index, lambda: DOINGS[doing](index, SMALL // 2 + 1, rows))
            index.db.execute("ROLLBACK")
    assert steps[SMALL] > 0
    assert steps[LARGE] < 1.5 * steps[SMALL] + 100, steps


def test_taking_in_what_others_committed_costs_the_same_in_a_large_library(libraries: dict[int, str]) -> None:
    steps = {}
    for size, path in libraries.items():
        with Index(path) as index, Index(path) as other:
            memory = Memory(index)
            describe(other, 20 * LARGE, np.eye(len(View), 8, dtype=np.float32))
            steps[size] = counted(index, partial(memory.refresh, index))
            assert len(memory) == size + 1
    assert steps[LARGE] < 1.5 * steps[SMALL] + 100, steps
