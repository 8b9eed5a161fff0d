"""Captions: one sentence about the image from a BLIP model, with the prompt of the baseline recipe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from imgret.stages.interface import PIXELS, Item, Result, Stage, StageModel, StageSettings, TextColumn
from imgret.stages.passage import PROMPT

if TYPE_CHECKING:
    from imgret.models.model_protocols import Captioner
    from imgret.places import Places


class CaptionSettings(StageSettings, frozen=True):
    """`[caption]`: the baseline recipe has 3 beams and at most 60 new tokens."""

    weights: str = "noamrot/FuseCap_Image_Captioning"
    beams: int = 3
    max_tokens: int = 60
    dtype: str = "auto"  # auto (bf16 on a GPU, float32 on a CPU), float32, bfloat16, float16


class CaptionModel(StageModel):
    """Adapts a captioner to the interface of a stage model."""

    def __init__(self, captioner: Captioner) -> None:
        self.captioner = captioner
        self.identity = captioner.identity

    def run(self, items: Sequence[Item]) -> list[Result]:
        """Return one sentence per photo."""
        images = [item.pixels for item in items if item.pixels is not None]
        return [Result(caption) for caption in self.captioner.caption(images)]

    def close(self) -> None:
        """Release the memory."""
        self.captioner.close()


class Caption(Stage):
    """The caption stage. Its payload is the sentence; it is empty if the model produced none."""

    name = "caption"
    inputs = (PIXELS,)
    tier = 3
    settings = CaptionSettings
    demo = "caption"
    ranges = {"beams": (1, 16), "max_tokens": (1, 500)}
    payload = str
    noun = "captions"
    columns = (TextColumn("caption"),)

    def shape(self, settings: CaptionSettings) -> str:
        """Return beams, tokens and dtype."""
        return f"beams={settings.beams} tokens={settings.max_tokens} dtype={settings.dtype}"

    def load(self, settings: CaptionSettings, places: Places, device: str) -> CaptionModel:
        """Load any BLIP captioning model in the layout of the Hugging Face hub."""
        from imgret.models import torch_device

        path, identity = self.checked(settings, places)
        device = torch_device.ready(places, device)
        from imgret.models.blip import BlipCaptioner

        return CaptionModel(
            BlipCaptioner(
                path,
                identity,
                device,
                prompt=PROMPT,
                beams=settings.beams,
                max_tokens=settings.max_tokens,
                dtype=settings.dtype,
            )
        )

    def texts(self, payload: str) -> Mapping[str, str]:
        """Return the sentence."""
        return {"caption": payload}

    def json(self, payload: str | None) -> dict[str, Any]:
        """Return `caption`; null if there is none."""
        return {"caption": payload}

    def rows(self, shown: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Return the sentence, if there is one."""
        return [] if shown["caption"] is None else [("caption", shown["caption"])]


STAGE = Caption()
