"""A question goes the way a photo goes: its topics make the instruction under which it is embedded."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from imgret.models.interface import Embedder, TopicClassifier
from imgret.photo import ModelIdentity
from imgret.stages.passage import instruction

Matrix = NDArray[np.float32]  # (texts, dimension), unit norm
REMEMBERED = 256  # texts: people ask again while they type, and scripts ask the same


class QueryEmbedder:
    """Texts of a question -> vectors of the same space as the photos'. Belongs to one thread."""

    def __init__(self, embedder: Embedder, topics: TopicClassifier | None = None) -> None:
        """Without a classifier, questions have the instruction of a text without topics."""
        self._embedder = embedder
        self._topics = topics
        self._known: OrderedDict[str, Matrix] = OrderedDict()

    @property
    def identity(self) -> ModelIdentity:
        """The embedder's: its vectors may meet only vectors of the same."""
        return self._embedder.identity

    def vectors(self, texts: Sequence[str]) -> Matrix:
        """(texts, dimension), unit norm, in order. Repeated texts cost nothing."""
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        if new:
            topics = self._topics.topics(new) if self._topics else [()] * len(new)
            pairs = [(instruction(found), text) for found, text in zip(topics, new, strict=True)]
            self._known.update(zip(new, self._embedder.embed(pairs), strict=True))
        for text in texts:
            self._known.move_to_end(text)
        answer = np.stack([self._known[text] for text in texts])
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return answer
