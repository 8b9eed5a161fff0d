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
    """The interface that all models share."""

    @property
    def identity(self) -> ModelIdentity:
        """Name, revision and settings. Models with equal identities produce equal results."""
        ...

    def close(self) -> None:
        """Release the memory, including that of the GPU. The object must not be used again."""
        ...


class Captioner(Model, Protocol):
    """A model that captions images."""

    def captions(self, images: Sequence[Pixels]) -> list[list[str]]:
        """Return the captions of each image, in order, the best first. Results do not depend on the batch."""
        ...


class Detector(Model, Protocol):
    """A model that detects objects in images."""

    def detect(self, images: Sequence[Pixels]) -> list[tuple[Detection, ...]]:
        """Return the detections of each image, in the order of the model's boxes."""
        ...


class TopicClassifier(Model, Protocol):
    """A model that assigns topics to sentences."""

    def topics(self, texts: Sequence[str]) -> list[tuple[str, ...]]:
        """Return the labels at or above the threshold for each text, in the model's spelling and order."""
        ...


class Embedder(Model, Protocol):
    """A model that embeds texts with instructions."""

    @property
    def dimension(self) -> int:
        """The length of a vector."""
        ...

    def embed(self, pairs: Sequence[tuple[str, str]]) -> Vectors:
        """Embed (instruction, text) pairs of photos. Return float32 (len(pairs), dimension), unit norm, in order.

        An embedder without instructions ignores them.
        """
        ...

    def embed_queries(self, pairs: Sequence[tuple[str, str]]) -> Vectors:
        """Embed (instruction, text) pairs of queries, as `embed` does."""
        ...


class ImageTextModel(Model, Protocol):
    """A model that embeds images and texts in one space."""

    @property
    def dimension(self) -> int:
        """The length of a vector."""
        ...

    def load_images(self) -> None:
        """Load what `embed_images` needs, which happens anyway when it is first called. Raises WeightsError."""
        ...

    def load_texts(self) -> None:
        """Load what `embed_texts` needs, which happens anyway when it is first called. Raises WeightsError."""
        ...

    def embed_images(self, images: Sequence[Pixels]) -> Vectors:
        """Embed images. Return float32 (len(images), dimension), unit norm, in order."""
        ...

    def embed_texts(self, texts: Sequence[str]) -> Vectors:
        """Embed texts in the space of the images. Return as `embed_images`."""
        ...
