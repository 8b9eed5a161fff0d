"""Fill an index with a generated library for `benchmarks.two_spaces`: vectors in two spaces, captions, dates."""

from __future__ import annotations

import numpy as np

from benchmarks.search_library import STEP, caption, insert_photos
from benchmarks.search_vectors import DIMENSION, Generator, Matrix
from imgret.photo import ModelIdentity
from imgret.search.fuse import CAPTIONS, COUNTS, PASSAGE
from imgret.store.sqlite.sqlite_store import SqliteStore

TEXT_MODEL = ModelIdentity("generated", "benchmark")
IMAGE_MODEL = ModelIdentity("generated-image", "benchmark")
TEXT_SPACE, IMAGE_SPACE = 1, 2


def fill(store: SqliteStore, generator: Generator, photos: int) -> None:
    """Insert a library into an empty index in bulk, with all views of both spaces."""
    with store.writing() as db:
        root = store.roots.add(b"/photos").id
        for number, stage, model, lead in (
            (TEXT_SPACE, "embed", TEXT_MODEL, "passage"),
            (IMAGE_SPACE, "image", IMAGE_MODEL, "image"),
        ):
            db.execute(
                "INSERT INTO model VALUES (?, ?, ?, ?, '')", (number, stage, model.name, model.revision)
            )
            db.execute(
                "INSERT INTO space (id, model, stage, dimension, lead, weight, active) VALUES (?1, ?1, ?2, ?3, ?4, 1, 1)",
                (number, stage, DIMENSION, lead),
            )
        db.execute("INSERT INTO model VALUES (3, 'caption', 'generated', 'benchmark', '')")
    random = np.random.default_rng(7)
    for first in range(1, photos + 1, STEP):
        count = min(STEP, photos + 1 - first)
        made = generator.photos(count, seed=first)
        ids = range(first, first + count)
        captions = [caption(int(scene), random) for scene in made.scenes]
        with store.writing() as db:
            insert_photos(db, root, ids, random, captions, caption_model=3)
            # As the stages save them: the images first, later all text views of a photo together.
            rows = [(i, "image", IMAGE_SPACE, row) for i, row in zip(ids, _halves(made.image), strict=True)]
            texts = {PASSAGE: made.passage, CAPTIONS: made.caption, COUNTS: made.counts}
            for i, *views in zip(ids, *map(_halves, texts.values()), strict=True):
                rows += [(i, view, TEXT_SPACE, row) for view, row in zip(texts, views, strict=True)]
            db.executemany("INSERT INTO vector (content, view, space, data) VALUES (?, ?, ?, ?)", rows)


def _halves(vectors: Matrix) -> list[bytes]:
    return [row.tobytes() for row in vectors.astype(np.float16)]
