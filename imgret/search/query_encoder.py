"""The texts of a search -> vectors of one space, computed as those of the photos are."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imgret.photo import ModelIdentity
from imgret.stages.interface import Item, Result, StageModel

Matrix = NDArray[np.float32]  # (texts, dimension), unit norm
REMEMBERED = 256  # texts: people search again while they type, and scripts repeat themselves


class QueryEncoder:
    """Encodes texts with the model of one stage. Belongs to one thread."""

    def __init__(self, model: StageModel, inputs: Mapping[str, StageModel] | None = None) -> None:
        """`inputs` are the models of the stages in `Stage.query_inputs`, each after those that it reads.

        Without one of them, texts are encoded as those of a photo without its result.
        """
        self._model = model
        self._inputs = inputs or {}
        self._known: OrderedDict[str, NDArray[np.float32]] = OrderedDict()

    @property
    def identity(self) -> ModelIdentity:
        """The identity of the model. Only vectors of the same model may be compared."""
        return self._model.identity

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return self._model.dimension

    def vectors(self, texts: Sequence[str]) -> Matrix:
        """(texts, dimension), in order: unit norm, or zeros for a text without a meaning in this space.

        Repeated texts cost nothing.
        """
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        if new:
            rows = self._model.encode_query(new, self._results(new))
            self._known.update(zip(new, np.asarray(rows, np.float32), strict=True))
        for text in texts:
            self._known.move_to_end(text)
        found = np.stack([self._known[text] for text in texts])
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return found

    def _results(self, texts: Sequence[str]) -> list[dict[str, Any]]:
        """For each text what the input stages make of it: it is read as the caption of a photo."""
        found: list[dict[str, Any]] = [{} for _ in texts]
        for stage, model in self._inputs.items():
            items = [
                Item(results={"caption": (text,), **got}) for text, got in zip(texts, found, strict=True)
            ]
            for got, result in zip(found, model.run(items), strict=True):
                if isinstance(result, Result):
                    got[stage] = result.payload
        return found
