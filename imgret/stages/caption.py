"""Captions: sentences about the image from a BLIP model, with the prompt of the baseline recipe."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from imgret.stages import passage
from imgret.stages.interface import (
    ALTERNATIVE,
    PIXELS,
    Item,
    Result,
    Stage,
    StageModel,
    StageSettings,
    TextColumn,
)

if TYPE_CHECKING:
    from imgret.models.model_protocols import Captioner
    from imgret.places import Places

LONGEST = 2000  # characters of a caption
# Control characters, direction marks, line separators and lone surrogates, with the spaces around them.
_CONTROLS = re.compile("(?:\\s*[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff])+\\s*")


class CaptionSettings(StageSettings, frozen=True):
    """`[caption]`: the baseline recipe has 3 beams and at most 60 new tokens."""

    weights: str = "noamrot/FuseCap_Image_Captioning"
    captions: int = 1  # for each prompt: the best one of the beam search, and samples
    prompts: tuple[str, ...] = ()  # what the captioner reads before it writes; default: that of its kind
    beams: int = 3
    max_tokens: int = 60
    dtype: str = "auto"  # auto (bf16 on a GPU, float32 on a CPU), float32, bfloat16, float16


class CaptionModel(StageModel):
    """Adapts a captioner to the interface of a stage model."""

    def __init__(self, captioner: Captioner) -> None:
        self.captioner = captioner
        self.identity = captioner.identity

    def run(self, items: Sequence[Item]) -> list[Result]:
        """Return the sentences of each photo, cleaned, each once."""
        images = [item.pixels for item in items if item.pixels is not None]
        return [Result(distinct(sentences)) for sentences in self.captioner.captions(images)]

    def close(self) -> None:
        """Release the memory."""
        self.captioner.close()


class Caption(Stage):
    """The caption stage. Its payload is the sentences, that of the recipe first; empty if the model produced none."""

    name = "caption"
    inputs = (PIXELS,)
    tier = 3
    settings = CaptionSettings
    demo = "caption"
    ranges = {"captions": (1, 10), "beams": (1, 16), "max_tokens": (1, 500)}
    payload = tuple[str, ...]
    noun = "captions"
    columns = (TextColumn("caption"),)

    def shape(self, settings: CaptionSettings) -> str:
        """Return beams, tokens and dtype, and what else differs from the recipe."""
        parts = [f"beams={settings.beams} tokens={settings.max_tokens} dtype={settings.dtype}"]
        if settings.captions > 1:
            parts.append(f"captions={settings.captions}")
        if settings.prompts:
            parts.append(f"prompts={list(settings.prompts)!r}")
        return " ".join(parts)

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
                prompts=settings.prompts or (passage.PROMPT,),
                captions=settings.captions,
                beams=settings.beams,
                max_tokens=settings.max_tokens,
                dtype=settings.dtype,
            )
        )

    def texts(self, payload: tuple[str, ...]) -> Mapping[str, str]:
        """Return the sentences as alternatives of one text, so that a word in all of them counts once."""
        return {"caption": ALTERNATIVE.join(payload)}

    def json(self, payload: tuple[str, ...] | None) -> dict[str, Any]:
        """Return `caption`, the first one, which is null without a result; and `captions`, all of them."""
        return {
            "caption": None if payload is None else passage.first(payload),
            "captions": list(payload or ()),
        }

    def rows(self, shown: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Return each sentence as a row."""
        return [("also" if at else "caption", caption) for at, caption in enumerate(shown["captions"])]


def distinct(sentences: Iterable[str]) -> tuple[str, ...]:
    """Return the sentences without those that are empty or repeat an earlier one, apart from case.

    Control characters become spaces, and a sentence is cut after LONGEST characters, at the end of a word: a captioner is
    a model, and can produce anything.
    """
    found: dict[str, str] = {}
    for sentence in sentences:
        clean = _CONTROLS.sub(" ", sentence).strip()
        if len(clean) > LONGEST:
            clean = clean[:LONGEST].rsplit(maxsplit=1)[0]
        if clean:
            found.setdefault(clean.casefold(), clean)
    return tuple(found.values())


STAGE = Caption()
