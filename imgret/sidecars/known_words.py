"""What the index knows of a photo, as it is written into a sidecar."""

from __future__ import annotations

from imgret import stage_results
from imgret.photo import Metadata
from imgret.sidecars.merge_own import STAGES, Known
from imgret.stages.metadata import NAME as METADATA
from imgret.store.interface import Store


def known(store: Store, content: int) -> Known:
    """Return what is known of a content."""
    results = stage_results.described(store, content)
    shown = stage_results.shown(results)
    metadata = results.get(METADATA) or Metadata()
    identities = store.results.identities(content)
    return Known(
        captions=tuple(shown["captions"]),
        counts=tuple((count, label) for label, count in shown["objects"].items()),
        note=store.results.note(content),
        note_at=store.results.noted_at(content) or 0,
        text=tuple(line["text"] for line in shown["text"]),
        models=tuple(
            " ".join(filter(None, (stage, identities[stage].name, identities[stage].revision)))
            for stage in STAGES
            if stage in identities
        ),
        keywords=metadata.keywords,
        paths=metadata.paths,
        title=metadata.title,
        description=metadata.description,
        rating=metadata.rating,
        label=metadata.label,
    )
