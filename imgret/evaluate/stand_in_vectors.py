"""Use vectors from a file as the results of the stage `image`: those of the photos, and those of the queries.

So a search can be measured with any image-text encoder, without its weights and without the photos. The file is described
in `imgret.evaluate.vector_file`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from imgret import stage_results
from imgret.errors import UsageError
from imgret.evaluate.dataset import Dataset, Entry, Problem, ProblemKind, assemble, path_of
from imgret.evaluate.gallery import Gallery
from imgret.evaluate.vector_file import VectorFile
from imgret.photo import ModelIdentity
from imgret.stages.image import VIEW
from imgret.stages.interface import Result
from imgret.store.interface import Store

STAGE = "image"
Matrix = NDArray[np.float32]


class StandInVectors(Struct, frozen=True, eq=False):
    """The vectors of a file, with paths; also the encoder of the queries, as a search takes it."""

    path: str
    images: Mapping[bytes, Matrix]  # absolute path -> (dimension,), unit norm
    questions: Mapping[str, Matrix]  # text -> (dimension,), unit norm
    identity: ModelIdentity  # the file's name and hash: other vectors count as another model

    def vectors(self, texts: Sequence[str]) -> Matrix:
        """Return (texts, dimension). Raises KeyError for a text without a vector."""
        return np.stack([self.questions[text] for text in texts])


def located(file: VectorFile, images: str) -> StandInVectors:
    """Return the vectors by absolute path; paths in the file are absolute or relative to the folder `images`.

    Raises UsageError if two paths are those of one photo.
    """
    found: dict[bytes, Matrix] = {}
    for name, row in zip(file.names, file.images, strict=True):
        photo = path_of(images, name)
        if photo in found:
            raise UsageError(
                f"{file.path}: names has the photo {name} twice, with different spellings",
                "Keep one of the two rows, because each can have only one vector.",
            )
        found[photo] = row
    identity = ModelIdentity(f"stand-in vectors {os.path.basename(file.path)}", f"sha256:{file.digest}")
    return StandInVectors(file.path, found, dict(zip(file.questions, file.vectors, strict=True)), identity)


def dataset(file: VectorFile, images: str, name: str) -> Dataset:
    """Return the photos and questions of a file as a data set. The photos need not exist.

    The photo of a question is the one in the array `photos`. Without that array, question i belongs to photo i. Raises
    UsageError if the file does not assign its queries to photos.
    """
    photos = file.photos
    if photos is None:
        if len(file.questions) != len(file.names):
            raise UsageError(
                f"{file.path} has {len(file.questions)} questions for {len(file.names)} photos, and does not name the"
                " photo that each belongs to",
                "Add an array photos (m,) with the name of each question's photo, or give the questions as JSON lines"
                " to `imgret eval jsonl`.",
            )
        photos = file.names
    known = frozenset(file.names)
    base = os.path.basename(file.path)
    entries: list[Entry | Problem] = [Entry(photo, (), base) for photo in file.names]
    for row, (photo, question) in enumerate(zip(photos, file.questions, strict=True)):
        where = f"{base}: questions[{row}]"
        if photo in known:
            entries.append(Entry(photo, (question,), where))
        else:
            entries.append(Problem(ProblemKind.MALFORMED, where, f"its photo {photo} is not in names", 1))
    return assemble(name, images, entries, described=[path_of(images, photo) for photo in file.names])


def with_vectors(dataset: Dataset, given: StandInVectors) -> Dataset:
    """Return the data set without the queries that have no vector; each is reported as a problem.

    Raises UsageError if no query or no photo has one: the file belongs to another data set.
    """
    kept = [query for query in dataset.queries if query.text in given.questions]
    if not kept:
        raise UsageError(
            f"{given.path} has a vector for none of the {len(dataset.queries)} queries",
            "The array questions must have the same texts as the data set.",
        )
    if not any(dataset.path(photo) in given.images for photo in dataset.photos):
        raise UsageError(
            f"{given.path} has a vector for none of the {len(dataset.photos)} photos",
            f"The array names must have their paths, absolute or relative to {dataset.images}; see --images.",
        )
    base = os.path.basename(given.path)
    problems = [
        Problem(ProblemKind.NO_VECTOR, base, f"there is no vector for the query: {query.text}", 1)
        for query in dataset.queries
        if query.text not in given.questions
    ]
    return replace(dataset, queries=tuple(kept), problems=(*dataset.problems, *problems))


def put(store: Store, gallery: Gallery, given: StandInVectors) -> int:
    """Let the vectors stand as results of the index's photos. Return the number of photos without one."""
    contents = {content for content in gallery.values() if content is not None}
    made = {content: store.results.identities(content).get(STAGE) for content in contents}
    if set(made.values()) - {given.identity, None}:
        store.forget_stage(STAGE)
        made = dict.fromkeys(made)
    without = 0
    with store.writing():
        for path, content in gallery.items():
            vector = given.images.get(path)
            without += vector is None
            if content is not None and vector is not None and made[content] is None:
                result = Result((VIEW,), {VIEW: vector})
                stage_results.save(store, content, STAGE, given.identity, result)
    store.vectors.activate_when_complete(given.identity, STAGE)
    return without
