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
