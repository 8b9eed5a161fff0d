"""The encoder of one search, which may fail without ending it, being the code of another package."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgret.limits import as_sentence
from imgret.photo import ModelIdentity
from imgret.store.records import Space

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from imgret.search.space_queries import SpaceEncoder


class CheckedEncoder:
    """The encoder of a space. If it fails, the search continues without it, and a note reports it.

    Each text is encoded once, so those encoded before the search reads the store need no model during its transaction.
    """

    def __init__(self, space: Space, encoder: SpaceEncoder, notes: list[str]) -> None:
        self._space = space
        self._encoder = encoder
        self._notes = notes
        self._known: dict[str, NDArray[np.float32]] = {}

    @property
    def identity(self) -> ModelIdentity:
        """Whose vectors they are."""
        return self._space.identity

    def vectors(self, texts: list[str]) -> NDArray[np.float32]:
        """(texts, dimension), unit norm, or zeros."""
        import numpy as np

        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        if new:
            self._known.update(zip(new, self._encoded(new), strict=True))
        return np.stack([self._known[text] for text in texts])

    def _encoded(self, texts: list[str]) -> NDArray[np.float32]:
        import numpy as np

        try:
            found = self._encoder.vectors(texts)
            if found.shape != (len(texts), self._space.dimension):
                raise ValueError(
                    f"its vectors of texts have the shape {found.shape}, not (n, {self._space.dimension})"
                )
            if not np.isfinite(found).all():
                raise ValueError("its vectors of texts are not finite numbers")
            return found
        except Exception as error:  # the code of another package, or damaged weights
            reason = as_sentence(error)
            note = f"the vectors of {self._space.stage} were not searched: {reason}"
            if note not in self._notes:
                self._notes.append(note)
            return np.zeros((len(texts), self._space.dimension), np.float32)
