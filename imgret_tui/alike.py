"""More like this: the photos whose vectors lie nearest to that of one photo. No model is needed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from imgret.errors import UsageError
from imgret.index import nearest, photos, vectors
from imgret.index.connection import Index
from imgret.photo import Hit, View
from imgret.search import background, hits
from imgret.search.query import Question


def alike(index: Index, path: bytes, limit: int) -> Sequence[Hit]:
    """The photos most like the one at `path`, nearest first, that one and its copies left out.

    Raises UsageError when the photo has no vector yet.
    """
    photo = photos.find(index, path)
    own = np.array([photo.content if photo and photo.content is not None else -1], np.int64)
    have, matrix = vectors.of(index, own, View.PASSAGE)
    if not have.any():
        raise UsageError("nothing can be compared with this photo yet", "Run `imgret index` to describe it.")
    query = matrix[0]
    ids = nearest.search(index, query, limit + 1)
    ids = ids[ids != own[0]]
    _, near = vectors.of(index, ids, View.PASSAGE)
    cosines = near @ query if len(near) == len(ids) else np.zeros(len(ids), np.float32)
    sample = background.sample(index, len(query))
    strength = background.strengths(cosines, sample.grounds(query)[View.PASSAGE], sample.spread, None)
    found = [
        hits.Found(int(content), float(cosine), float(cosine), level, ())
        for content, cosine, level in zip(ids, cosines, strength, strict=True)
    ]
    return hits.describe(index, Question(), found, k=limit, apart=False)
