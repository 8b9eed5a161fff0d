"""Libraries with image vectors, and with several captions, for `benchmarks.quality`."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.quality_libraries import BASELINE_DATA, JudgedQuery, Library, Scene, fill
from imgret.config import places
from imgret.decode.pool import decode_pool
from imgret.demo import draw, training_data
from imgret.demo.bundled import demo_settings
from imgret.evaluate import vector_file
from imgret.ingest import Ingest
from imgret.photo import ModelIdentity
from imgret.pipeline.loading import load_models
from imgret.requeue import prepare
from imgret.search.query_encoder import QueryEncoder
from imgret.search.service import LocalEncoders
from imgret.stages import passage
from imgret.stages.interface import StageModel
from imgret.store.factory import open_store
from imgret.store.interface import Store
from imgret.store.records import IMAGE, SpaceTraits
from imgret.sync import add_root, sync

DRAWINGS = 120
CLIP = ModelIdentity("CLIP ViT-B/16", "benchmark")
Matrix = NDArray[np.float32]


class GivenVectors:
    """The vectors of known queries."""

    identity = CLIP

    def __init__(self, vectors: Mapping[str, Matrix]) -> None:
        self._vectors = vectors

    def vectors(self, texts: Sequence[str]) -> Matrix:
        """Return (texts, dimension)."""
        return np.stack([self._vectors[text] for text in texts])


def drawings(folder: str, _: StageModel) -> Iterator[Library]:
    """Yield drawings that the tiny checkpoints of `imgret demo` describe, decoded from files."""
    chance = random.Random(11)
    made = training_data.some(chance, DRAWINGS)
    pictures = os.path.join(folder, "drawings")
    os.makedirs(pictures)
    for number, drawing in enumerate(made):
        draw.render(drawing).save(os.path.join(pictures, f"{number:03d}.png"))
    settings, here = demo_settings(), places({"HOME": folder})
    models = load_models(settings, here)
    try:
        with open_store(os.path.join(folder, "drawings.db")) as store, decode_pool(settings) as decoder:
            root = add_root(store, os.fsencode(pictures))[0]
            sync(store, settings, root)
            prepare(store, settings, models.identities())
            Ingest(store, settings, models).run(lambda _: None, decoder)
            contents = [
                store.photos.content_at(root.id, b"", b"%03d.png" % number) for number in range(DRAWINGS)
            ]
            required_of: dict[str, dict[str, object]] = {}
            for drawing in made:
                text, required = training_data.query(chance, drawing)
                required_of[text] = required
            judged = [
                JudgedQuery(
                    text,
                    frozenset(
                        content
                        for content, drawing in zip(contents, made, strict=True)
                        if content is not None and _shows(drawing, required)
                    ),
                )
                for text, required in required_of.items()
            ]
            encoder = QueryEncoder(models["embed"], {"topics": models["topics"]})
            seer = LocalEncoders(settings, here).encoder(IMAGE, models[IMAGE].identity)
            assert seer is not None
            kinds = {"colours, kinds and counts": judged}
            yield Library("scenes as drawings, tiny models", store, encoder, {IMAGE: seer}, kinds)
    finally:
        models.close()


def photos(folder: str, model: StageModel) -> Iterator[Library]:
    """Yield photos as CLIP sees them, with captions from good to none and vectors from good to noisy."""
    path = os.path.join(BASELINE_DATA, "vectors-clip")
    if not os.path.isdir(path):
        return
    file = vector_file.read(os.path.join(path, "clip200.npz"))
    captions = {row["path"]: row["caption"] for row in _lines(os.path.join(path, "captions.jsonl"))}
    given = [captions[name] for name in file.names]
    seer = GivenVectors(dict(zip(file.questions, file.vectors, strict=True)))
    numbers = np.random.default_rng(7)
    half = np.zeros(len(given), np.bool_)
    half[numbers.permutation(len(given))[: len(given) // 2]] = True

    def noisy(length: float) -> Matrix:
        noise = length * numbers.standard_normal(file.images.shape) / np.sqrt(file.images.shape[1])
        rows = file.images + noise
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)

    def noise() -> Matrix:
        rows = numbers.standard_normal(file.images.shape)
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)

    few = [" ".join(caption.split()[:7]) for caption in given]  # "a picture of" and four words
    one = [" ".join(caption.split()[:4]) for caption in given]
    wrong = [given[(at + 7) % len(given)] if at % 10 < 3 else caption for at, caption in enumerate(given)]
    lacking = np.where(half[:, None], file.images, np.nan)
    six = [given[at] for at in np.random.default_rng(8).integers(6, size=len(given))]
    some = [caption if there else None for caption, there in zip(given, half, strict=True)]
    for number, (kind, texts, images) in enumerate(
        (
            ("as they are", given, file.images),
            ("noise as long as the vectors", given, noisy(1)),
            ("noise half as long again", given, noisy(1.5)),
            ("noise of twice their length", given, noisy(2)),
            ("noise of four times their length", given, noisy(4)),
            ("noise alone", given, noise()),
            ("four words of the captions", few, file.images),
            ("one word of the captions", one, file.images),
            ("six captions for all", six, file.images),
            ("3 in 10 captions are wrong", wrong, file.images),
            ("no captions", [None] * len(given), file.images),
            ("half lack the image vector", given, lacking),
            ("half lack the caption", some, file.images),
            ("each lacks one of the two", some, np.where(half[:, None], np.nan, file.images)),
        )
    ):
        with open_store(os.path.join(folder, f"clip{number}.db")) as store:
            scenes = [
                Scene(os.path.basename(name), text, {}, None, "", "")
                for name, text in zip(file.names, texts, strict=True)
            ]
            contents = fill(store, scenes, model)
            _save(store, contents, images)
            judged = [
                JudgedQuery(text, frozenset([content]))
                for text, content in zip(file.questions, contents, strict=True)
            ]
            yield Library(f"CLIP, {kind}", store, QueryEncoder(model), {IMAGE: seer}, {"questions": judged})


def captioned(folder: str, model: StageModel) -> Iterator[Library]:
    """Yield photos with captions by one captioner, by another one, and by both."""
    path = os.path.join(BASELINE_DATA, "judgements")
    if not os.path.isdir(path):
        return
    rows = _lines(os.path.join(path, "photos.jsonl"))
    questions = _lines(os.path.join(path, "questions.jsonl"))
    for number, (kind, kept) in enumerate(
        (("first captioner", slice(1)), ("second captioner", slice(1, 2)), ("both", slice(2)))
    ):
        with open_store(os.path.join(folder, f"captioned{number}.db")) as store:
            scenes = []
            for row in rows:
                first, *others = (passage.PROMPT + text for text in row["captions"][kept])
                scenes.append(Scene(row["path"], first, {}, None, "", "", captions=tuple(others)))
            contents = dict(zip((row["path"] for row in rows), fill(store, scenes, model), strict=True))
            judged = [
                JudgedQuery(each["question"], frozenset([contents[each["photo"]]])) for each in questions
            ]
            yield Library(f"captions, {kind}", store, QueryEncoder(model), {}, {"questions": judged})


def _shows(drawing: draw.Drawing, required: Mapping[str, object]) -> bool:
    largest = drawing.shapes[0]
    shown: dict[str, object] = {"colour": largest.colour, "kind": largest.kind, "ground": drawing.ground}
    shown |= {kind: min(count, 5) for kind, count in drawing.counts.items()}
    return all(shown.get(key) == value for key, value in required.items())


def _save(store: Store, contents: Sequence[int], images: Matrix) -> None:
    with store.writing():
        for content, row in zip(contents, images, strict=True):
            if not np.isnan(row[0]):
                store.vectors.save(content, CLIP, {"image": row}, IMAGE, SpaceTraits("image", 1.0))


def _lines(path: str) -> list[dict[str, Any]]:
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]
