"""The loaded models by stage, and why others are not loaded. Does not import torch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from imgret.photo import ModelIdentity
from imgret.stages.interface import DECODE, StageModel


@dataclass
class Models:
    """The models of one device."""

    loaded: dict[str, StageModel] = field(default_factory=dict)  # by stage
    # stages without a model, see `Stage.from_decoder`
    decoded: dict[str, ModelIdentity] = field(default_factory=dict)
    # stage -> message about why its model is not loaded
    missing: dict[str, str] = field(default_factory=dict)
    disabled: set[str] = field(default_factory=set)  # stages with the weights `none`
    peers: list[Models] = field(default_factory=list)  # the same models on further devices
    position: int = 0  # of its device in the settings
    unused_devices: dict[str, str] = field(default_factory=dict)  # device -> why it cannot be used

    def __getitem__(self, stage: str) -> StageModel:
        return self.loaded[stage]

    def __contains__(self, stage: object) -> bool:
        return stage in self.loaded

    def __iter__(self) -> Iterator[str]:
        return iter(self.loaded)

    def get(self, stage: str) -> StageModel | None:
        """Return the model of a stage; None if it has none."""
        return self.loaded.get(stage)

    def stages(self) -> frozenset[str]:
        """Return the stages that can run now; `decode` always can."""
        return frozenset({DECODE, *self.decoded, *self.loaded})

    def identities(self) -> dict[str, ModelIdentity]:
        """Return the identities of the results of each stage, those of the decoder included."""
        return {**self.decoded, **{stage: model.identity for stage, model in self.loaded.items()}}

    def close(self) -> None:
        """Unload every model."""
        for model in self.loaded.values():
            model.close()
        for peer in self.peers:
            peer.close()
