"""Load an embedder of texts by what its folder contains: INSTRUCTOR, a static one, or any of sentence-transformers.

Importing this module does not import torch, and a static embedder does not need it.
"""

from __future__ import annotations

import json
import os
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from imgret.errors import WeightsError

if TYPE_CHECKING:
    from imgret.models.model_protocols import Embedder
    from imgret.photo import ModelIdentity
    from imgret.places import Places

_CONFIG, _MODULES, _PROMPTS = "config.json", "modules.json", "config_sentence_transformers.json"
_DOCUMENT = ("document", "passage", "corpus")  # names of prompts, as sentence-transformers chooses


class Kind(StrEnum):
    """How texts are embedded."""

    INSTRUCTOR = "instructor"  # with an instruction made from topics
    STATIC = "static"
    SENTENCE = "sentence"  # with prompts for queries and documents


def kind(path: str, name: str) -> Kind:
    """Return the kind of the embedder in the folder `path`; `name` is that of its repository or folder.

    INSTRUCTOR leaves the instruction out of the mean over the tokens (`include_prompt`). Its first releases do not
    declare it in their files, so the name counts too. A folder whose files cannot be read is of the kind SENTENCE, and
    loading it reports the reason.
    """
    modules = _modules(path)
    classes = [str(module.get("type")).rpartition(".")[2] for module in modules]
    if _is_model2vec(path) or (classes[:1] == ["StaticEmbedding"] and set(classes[1:]) <= {"Normalize"}):
        return Kind.STATIC
    pooling = [
        _json(os.path.join(path, str(module.get("path")), _CONFIG))
        for module, class_ in zip(modules, classes, strict=True)
        if class_ == "Pooling"
    ]
    if any(isinstance(each, dict) and each.get("include_prompt") is False for each in pooling):
        return Kind.INSTRUCTOR
    config = _json(os.path.join(path, _CONFIG))
    called = config.get("_name_or_path") if isinstance(config, dict) else None
    return Kind.INSTRUCTOR if "instructor" in f"{name} {called}".lower() else Kind.SENTENCE


def load(
    kind_: Kind,
    path: str,
    identity: ModelIdentity,
    places: Places,
    device: str,
    *,
    query_prompt: str | None = None,
    document_prompt: str | None = None,
    dtype: str = "auto",
) -> Embedder:
    """Load the embedder in the folder `path`. The prompts replace those of the model. Raises WeightsError."""
    if kind_ is Kind.STATIC:
        from imgret.models.static_embedder import StaticEmbedder

        own = _own_prompts(path)
        prompts = (
            own[0] if query_prompt is None else query_prompt,
            own[1] if document_prompt is None else document_prompt,
        )
        model2vec = _is_model2vec(path)
        first = "" if model2vec else str((_modules(path) or [{}])[0].get("path") or "")
        return StaticEmbedder(
            os.path.normpath(os.path.join(path, first)), identity, prompts, model2vec=model2vec
        )
    from imgret.models import torch_device

    device = torch_device.ready(places, device)
    if kind_ is Kind.INSTRUCTOR:
        if query_prompt is not None or document_prompt is not None:
            raise WeightsError(
                f"{path} is an INSTRUCTOR model, whose instructions are made from topics",
                "Remove `query_prompt` and `document_prompt` under [embed].",
            )
        from imgret.models.instructor import InstructorEmbedder

        return InstructorEmbedder(path, identity, device, dtype=dtype)
    from imgret.models.sentence_embedder import SentenceEmbedder

    return SentenceEmbedder(
        path, identity, device, query_prompt=query_prompt, document_prompt=document_prompt, dtype=dtype
    )


def _own_prompts(path: str) -> tuple[str, str]:
    """Return the model's prompts of queries and documents; empty where it has none."""
    found = _json(os.path.join(path, _PROMPTS))
    prompts = found.get("prompts") if isinstance(found, dict) else None
    named = prompts if isinstance(prompts, dict) else {}
    document = next((named[name] for name in _DOCUMENT if name in named), "")
    return str(named.get("query") or ""), str(document or "")


def _is_model2vec(path: str) -> bool:
    config = _json(os.path.join(path, _CONFIG))
    if not isinstance(config, dict):
        return False
    return config.get("model_type") == "model2vec" or config.get("architectures") == ["StaticModel"]


def _modules(path: str) -> list[dict[str, Any]]:
    found = _json(os.path.join(path, _MODULES))
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _json(file: str) -> object:
    try:
        with open(file, encoding="utf-8") as text:
            return json.load(text)
    except (OSError, ValueError, RecursionError):
        return None
