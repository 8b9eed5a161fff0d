"""Settings that use the five tiny checkpoints in this package."""

from __future__ import annotations

import os

import msgspec

from imgret.config import Settings
from imgret.stages import registry
from imgret.stages.interface import PIXELS
from imgret.weights import NONE

MODELS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "models")


def demo_settings(settings: Settings | None = None, models: str = MODELS) -> Settings:
    """`settings` (the defaults) with imgret's own stages by the checkpoints in the folder `models`.

    A stage that looks at pixels and has no checkpoint there is off: no text stands in the drawn pictures, and looking for
    it would take most of the time.
    """
    tables = {
        stage.name: stage.settings(weights=os.path.join(models, stage.demo) if stage.demo else NONE)
        for stage in registry.own().stages
        if stage.demo or PIXELS in stage.inputs
    }
    # The device: they are too small to gain from a GPU.
    return msgspec.structs.replace(settings or Settings(), device="cpu").with_tables(**tables)
