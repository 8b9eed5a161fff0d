"""Settings that use the four tiny checkpoints in this package."""

from __future__ import annotations

import os

import msgspec

from imgret.config import CaptionSettings, DetectSettings, EmbedSettings, Settings, TopicsSettings

MODELS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "models")


def demo_settings(settings: Settings | None = None, models: str = MODELS) -> Settings:
    """`settings` (the defaults) with all four stages by the checkpoints in the folder `models`."""
    return msgspec.structs.replace(
        settings or Settings(),
        device="cpu",  # they are too small to gain from a GPU
        caption=CaptionSettings(weights=os.path.join(models, "caption")),
        detect=DetectSettings(weights=os.path.join(models, "detect.pt")),
        topics=TopicsSettings(weights=os.path.join(models, "topics")),
        embed=EmbedSettings(weights=os.path.join(models, "embed")),
    )
