"""What the models of imgret's own stages do: the protocols that their implementations follow. Free of torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from imgret.photo import Detection, ModelIdentity

Pixels = NDArray[np.uint8]  # (height, width, 3), RGB, upright
Vectors = NDArray[np.float32]  # (texts, dimension), unit norm


class Model(Protocol):
    """What every stage's model can say of itself."""

    @property
    def identity(self) -> ModelIdentity:
        """Name, revision and settings: equal identities give equal results."""
        ...

    def close(self) -> None:
        """Give back the memory, on the GPU too. The object is not used again."""
        ...


class Captioner(Model, Protocol):
    """Pictures -> one sentence each."""

    def caption(self, images: Sequence[Pixels]) -> list[str]:
        """One caption per image, in order; a batch gives what one by one would."""
        ...


class Detector(Model, Protocol):
    """Pictures -> the objects in them."""

    def detect(self, images: Sequence[Pixels]) -> list[tuple[Detection, ...]]:
        """Per image the detections in the order in which the model gives its boxes."""
        ...


class TopicClassifier(Model, Protocol):
    """Sentences -> their topics."""

    def topics(self, texts: Sequence[str]) -> list[tuple[str, ...]]:
        """Per text the labels with sigmoid >= 0.2, as the model spells them, in the model's order."""
        ...


class Embedder(Model, Protocol):
    """Instructed texts -> unit vectors."""

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        ...

    def embed(self, pairs: Sequence[tuple[str, str]]) -> Vectors:
        """(instruction, text) pairs -> float32 (len(pairs), dimension), unit norm, in order.

        Each row has an instruction of its own. An embedder that knows no instructions ignores them.
        """
        ...
