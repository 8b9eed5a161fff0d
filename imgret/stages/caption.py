"""Captions: sentences about the image from a BLIP model, with the prompt of the baseline recipe."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from imgret.photo import ModelIdentity
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
from imgret.weights import NONE

if TYPE_CHECKING:
    from imgret.models.model_protocols import Captioner
    from imgret.places import Places
    from imgret.weights.sources import Weights

LONGEST = 2000  # characters of a caption
# What may not reach a terminal (see `terminal.clean`), with the spaces around it.
_CONTROLS = re.compile(
    "(?:\\s*[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\U0010eeee])+\\s*"
)


class CaptionSettings(StageSettings, frozen=True):
    """`[caption]`: the baseline recipe has 3 beams and at most 60 new tokens."""

    weights: str = "noamrot/FuseCap_Image_Captioning"
    captions: int = 1  # for each prompt: the best one of the beam search, and samples
    prompts: tuple[str, ...] = ()  # what the captioner reads before it writes; default: that of its kind
    also: tuple[str, ...] = ()  # further captioners, each with the default prompt of its kind
    beams: int = 3  # of the search for the best caption
    max_tokens: int = 60  # of a caption, beside its prompt
    dtype: str = "auto"  # auto (bf16 on a GPU, float32 on a CPU), float32, bfloat16, float16


class CaptionModel(StageModel):
    """Adapts captioners to the interface of a stage model."""

    def __init__(
        self, captioner: Captioner, *others: Captioner, identity: ModelIdentity | None = None
    ) -> None:
        self.captioner = captioner
        self.others = others
        self.identity = identity or captioner.identity

    def run(self, items: Sequence[Item]) -> list[Result]:
        """Return the sentences of each photo, cleaned, each once."""
        images = [item.pixels for item in items if item.pixels is not None]
        found = [captioner.captions(images) for captioner in (self.captioner, *self.others)]
        return [Result(distinct(chain.from_iterable(sentences))) for sentences in zip(*found, strict=True)]

    def close(self) -> None:
        """Release the memory."""
        for captioner in (self.captioner, *self.others):
            captioner.close()


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

    def tables(self, settings: CaptionSettings) -> tuple[CaptionSettings, ...]:
        """Return settings for `weights` and for each captioner in `also`."""
        further = dict.fromkeys(name for name in settings.also if name != NONE)
        return (
            replace(settings, also=()),
            *(replace(settings, weights=name, revision=None, prompts=(), also=()) for name in further),
        )

    def locate(self, settings: CaptionSettings, places: Places) -> Weights:
        """Return the weights of the first captioner that are missing, or else those of `weights`."""
        found = [super(Caption, self).locate(table, places) for table in self.tables(settings)]
        return next((weights for weights in found if not weights.present), found[0])

    def packages(self, settings: CaptionSettings, path: str | None) -> Mapping[str, str]:
        """Return torch and transformers."""
        return dict.fromkeys(("torch", "transformers"), "imgret[caption]")

    def identity(self, settings: CaptionSettings, places: Places) -> ModelIdentity | None:
        """Return the identity of the captioner in `weights`; its settings name the further ones with their revisions."""
        made = [super(Caption, self).identity(table, places) for table in self.tables(settings)]
        present = [identity for identity in made if identity is not None]
        return _joined(present) if len(present) == len(made) else None

    def load(self, settings: CaptionSettings, places: Places, device: str) -> CaptionModel:
        """Load any captioner in the layout of the Hugging Face hub that needs no code of its own."""
        from imgret.models import torch_device

        checked = [(table, *self.checked(table, places)) for table in self.tables(settings)]
        device = torch_device.ready(places, device)
        from imgret.models import captioners

        loaded: list[Captioner] = []
        try:
            for table, path, identity in checked:
                captioner = captioners.load(
                    path,
                    identity,
                    device,
                    blip_prompt=passage.PROMPT,
                    prompts=table.prompts,
                    captions=table.captions,
                    beams=table.beams,
                    max_tokens=table.max_tokens,
                    dtype=table.dtype,
                )
                loaded.append(captioner)
        except BaseException:
            for captioner in loaded:
                captioner.close()
            raise
        return CaptionModel(*loaded, identity=_joined([identity for _, _, identity in checked]))

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


def _joined(identities: Sequence[ModelIdentity]) -> ModelIdentity:
    first, *others = identities
    if not others:
        return first
    names = [f"{other.name}@{other.revision}" for other in others]
    return ModelIdentity(first.name, first.revision, f"{first.settings} also={names!r}")


def distinct(sentences: Iterable[str]) -> tuple[str, ...]:
    """Return the sentences without those that are empty or repeat an earlier one, apart from case.

    Control characters become spaces, and a sentence is cut after LONGEST characters, at the end of a word: a captioner is
    a model, and can produce anything.
    """
    found: dict[str, str] = {}
    for sentence in sentences:
        # Cut before, because the search takes quadratic time in a row of spaces.
        clean = _CONTROLS.sub(" ", sentence[: 2 * LONGEST]).strip()
        if len(clean) > LONGEST:
            clean = clean[:LONGEST].rsplit(maxsplit=1)[0]
        if clean:
            found.setdefault(clean.casefold(), clean)
    return tuple(found.values())


STAGE = Caption()
