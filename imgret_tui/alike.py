"""More like this: the photos whose vectors lie nearest to that of one photo. No model is needed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

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
    own = photo.content if photo and photo.content is not None else -1
    query = _vectors(index, np.array([own], np.int64))[0]
    if np.isnan(query).any():
        raise UsageError("nothing can be compared with this photo yet", "Run `imgret index` to describe it.")
    ids = nearest.search(index, query, limit + 1)
    ids = ids[ids != own]
    cosines = _vectors(index, ids) @ query
    sample = background.sample(index)
    strength = background.strengths(cosines, sample.grounds(query)[View.PASSAGE], sample.spread, None)
    found = [
        hits.Found(int(content), float(cosine), float(cosine), level, ())
        for content, cosine, level in zip(ids, cosines, strength, strict=True)
    ]
    return hits.describe(index, Question(), found, k=limit, apart=False)


def _vectors(index: Index, contents: NDArray[np.int64]) -> NDArray[np.float32]:
    """Their vectors in the leading view (contents, dimension); NaN where one has none."""
    return vectors.of(index, contents, [View.PASSAGE])[View.PASSAGE]
