"""What tests save as the results of stages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from imgret import stage_results
from imgret.photo import ModelIdentity
from imgret.stages import passage
from imgret.stages.interface import Result
from imgret.store.interface import Store

STAGES = frozenset({"decode", "caption", "detect", "topics", "embed"})


def save(
    store: Store,
    content: int,
    stage: str,
    identity: ModelIdentity,
    payload: Any,
    vectors: Mapping[str, Any] | None = None,
) -> None:
    """Save a result with all that it gives the search."""
    stage_results.save(store, content, stage, identity, Result(payload, vectors or {}))


def save_vectors(store: Store, content: int, identity: ModelIdentity, vectors: Mapping[str, Any]) -> None:
    """Save the vectors of a content's texts, by view."""
    save(store, content, "embed", identity, tuple(sorted(vectors)), vectors)


def caption(store: Store, content: int) -> str | None:
    """The caption of a content."""
    captions = stage_results.payloads(store, content).get("caption")
    return None if captions is None else passage.first(captions)
