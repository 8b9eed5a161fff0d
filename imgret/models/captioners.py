"""Load a captioner by the class of model that its folder names: BLIP, Florence-2, or a chat model that reads images."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence

from imgret.errors import WeightsError
from imgret.models.model_protocols import Captioner
from imgret.photo import ModelIdentity

_BLIP, _FLORENCE = "blip", "florence2"
_ADVICE = (
    "Choose a captioner: BLIP, Florence-2 of florence-community, or a chat model that reads images,"
    " such as SmolVLM 2 or Qwen3-VL."
)


def load(
    path: str,
    identity: ModelIdentity,
    device: str,
    *,
    blip_prompt: str,
    prompts: Sequence[str] = (),
    captions: int = 1,
    beams: int = 3,
    max_tokens: int = 60,
    dtype: str = "auto",
) -> Captioner:
    """Load the captioner in the folder `path`.

    `prompts` are what it reads before it writes; if there are none, `blip_prompt` for BLIP, and for others the default of
    their module. For each prompt it writes `captions` captions. Raises WeightsError if the model writes no captions, or
    cannot be loaded without code of its own.
    """
    kind = model_type(path)
    if kind == _BLIP:
        from imgret.models.blip import BlipCaptioner

        return BlipCaptioner(
            path,
            identity,
            device,
            prompts=prompts or (blip_prompt,),
            captions=captions,
            beams=beams,
            max_tokens=max_tokens,
            dtype=dtype,
        )
    from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES as KINDS

    if kind not in KINDS:
        raise WeightsError(f"{path} is a model of the class {kind!r}, which writes no captions", _ADVICE)
    from imgret.models.generated_captions import ChatCaptioner, FlorenceCaptioner

    class_ = FlorenceCaptioner if kind == _FLORENCE else ChatCaptioner
    return class_(
        path,
        identity,
        device,
        prompts=prompts,
        captions=captions,
        beams=beams,
        max_tokens=max_tokens,
        dtype=dtype,
    )


def model_type(path: str) -> str:
    """Return the `model_type` in the folder's config.json. Raises WeightsError if it has none."""
    file = os.path.join(path, "config.json")
    try:
        with open(file, encoding="utf-8") as text:
            kind = json.load(text).get("model_type")
    except (OSError, ValueError, AttributeError) as error:
        raise WeightsError(f"{file} cannot be read: {error}", "Download these weights again.") from None
    if not isinstance(kind, str):
        raise WeightsError(f"{file} does not name the class of the model (model_type)", _ADVICE)
    return kind
