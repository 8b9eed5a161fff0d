"""The four protocols behind which the models stand, and the bundle that the pipeline is given.

Everything here is torch-free: the loaders in `caption`, `detect`, `topics` and `embed` are imported
only when their model is wanted. A stage without a model is `None` in the bundle; the reason stands in
`missing`, so that it can be said once in plain words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from imgret.photo import Detection, ModelIdentity, Stage

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

    def caption(self, images: Sequence[Pixels]) -> list[str]:
        """Return one caption per image, in order. Results do not depend on the batch."""
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
        """Embed (instruction, text) pairs. Return float32 (len(pairs), dimension), unit norm, in order.

        An embedder without instructions ignores them.
        """
        ...


@dataclass
class Models:
    """What is loaded, and for each stage that is not, why."""

    caption: Captioner | None = None
    detect: Detector | None = None
    topics: TopicClassifier | None = None
    embed: Embedder | None = None
    missing: dict[Stage, str] = field(default_factory=dict)
    disabled: set[Stage] = field(default_factory=set)  # set to `none`: not wanted, which is no lack
    peers: list[Models] = field(default_factory=list)  # the same models on further devices
    position: int = 0  # of its device in the settings
    without: dict[str, str] = field(default_factory=dict)  # devices that cannot be used, each with a sentence

    def stages(self) -> frozenset[Stage]:
        """The stages that can be done now; `DECODE` always can."""
        have = {Stage.DECODE}
        for stage, model in (
            (Stage.CAPTION, self.caption),
            (Stage.DETECT, self.detect),
            (Stage.TOPICS, self.topics),
            (Stage.EMBED, self.embed),
        ):
            if model is not None:
                have.add(stage)
        return frozenset(have)

    def close(self) -> None:
        """Unload every model."""
        for model in (self.caption, self.detect, self.topics, self.embed):
            if model is not None:
                model.close()
        for peer in self.peers:
            peer.close()
