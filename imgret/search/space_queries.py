"""The vectors of a search: one query vector for each space that is searched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from imgret.photo import ModelIdentity
from imgret.search import score_baseline
from imgret.search.parse import ParsedQuery
from imgret.search.scoring import SpaceQuery
from imgret.search.warm_index import WarmIndex
from imgret.store.interface import Store
from imgret.store.records import IMAGE, TEXT, Space

NEGATIVE = 0.5  # how far a text of `--not` turns the query vector away, if the words of the query count 1

Vector = NDArray[np.float32]  # (dimension,)


class SpaceEncoder(Protocol):
    """Encodes the texts of a search for one space (see `imgret.search.query_encoder.QueryEncoder`)."""

    @property
    def identity(self) -> ModelIdentity:
        """The model that computes the vectors."""
        ...

    def vectors(self, texts: list[str]) -> NDArray[np.float32]:
        """Return (texts, dimension), unit norm; zeros for a text that means nothing in this space."""
        ...


@dataclass(frozen=True)
class Spaces:
    """The spaces of the index that can be searched, by stage, and what is needed to search them."""

    active: Mapping[str, Space]
    encoders: Mapping[str, SpaceEncoder]  # those whose model made the vectors of the space
    # To search with besides the words: those of a picture.
    vectors: Mapping[str, Vector] = field(default_factory=dict)


def usable_spaces(
    store: Store,
    encoder: SpaceEncoder | None,
    others: Mapping[str, SpaceEncoder],
    vectors: Mapping[str, Vector],
    rank: str = "hybrid",
) -> tuple[Spaces, list[str]]:
    """Return the active spaces with the encoders that fit them, and notes about those that cannot be searched.

    `encoder` is for texts, `others` are for the spaces of other stages. `rank` is one of RANKS.
    """
    if rank == "words":
        return Spaces({}, {}), []
    active = {space.stage: space for space in store.vectors.active_spaces()}
    fitting = {
        stage: other
        for stage, other in others.items()
        if stage in active and active[stage].identity == other.identity
    }
    notes = []
    space = active.get(TEXT)
    if rank == "image":
        if IMAGE not in active:
            notes.append(
                "only words were searched: no photo has an image vector yet; `imgret index` computes them"
            )
    elif encoder is not None and space is None and not fitting:
        notes.append("only words were searched: no photo has vectors yet")
    elif encoder is not None and space is not None and space.identity != encoder.identity:
        notes.append(
            f"only words were searched: the vectors are still those of {space.identity.name}, "
            f"not of {encoder.identity.name}; `imgret index` or the daemon computes them again"
        )
    elif encoder is not None and space is not None:
        fitting[TEXT] = encoder
    return Spaces(active, fitting, vectors), notes


def space_queries(
    store: Store, query: ParsedQuery, spaces: Spaces, warm: WarmIndex | None, *, only: str | None = None
) -> list[SpaceQuery]:
    """Return a query vector, unit norm, for each space in which the query means something; `only` that of a stage."""
    searched = [
        space
        for stage, space in spaces.active.items()
        if (stage == only if only is not None else stage == TEXT or space.weight)
    ]
    take = warm.sample if warm is not None else score_baseline.sample
    found = []
    for space in searched:
        sample = take(store, space)
        vector = _vector(query, spaces, space.stage, sample)
        if vector is not None:
            found.append(SpaceQuery(space, vector, sample))
    return found


def negative_queries(text: str, spaces: Spaces, queries: Sequence[SpaceQuery]) -> list[SpaceQuery]:
    """Return the vectors of a text of `--not` in the spaces of `queries`."""
    found = []
    for query in queries:
        encoder = spaces.encoders.get(query.space.stage)
        vector = encoder.vectors([text])[0] if encoder is not None else None
        if vector is not None and vector.any():
            found.append(query._replace(vector=vector))
    return found


def _vector(query: ParsedQuery, spaces: Spaces, stage: str, sample: score_baseline.Sample) -> Vector | None:
    """The weighted sum of the picture's vector, the words, the weighted texts and the negatives; None if it is zero."""
    total, encoder = spaces.vectors.get(stage), spaces.encoders.get(stage)
    weighted = [(query.words, 1.0)] if query.words.strip() else []
    weighted += [(text, weight - 1.0) for text, weight in query.weights]
    weighted += [(text, -NEGATIVE) for text in query.negatives]
    if weighted and encoder is not None:
        rows = encoder.vectors([text for text, _ in weighted])
        words = np.array([weight for _, weight in weighted], np.float32) @ rows
        if total is not None and stage != TEXT and rows.any():
            # Cosines of two images differ more than those of a text and an image: both are to count the same.
            total = total / np.float32(sample.spread_of(total)) + words / np.float32(
                max(sample.spread_of(row) for row in rows if row.any())
            )
        else:
            total = words if total is None else total + words
    if total is None:
        return None
    norm = float(np.linalg.norm(total))
    return np.asarray(total / np.float32(norm), np.float32) if norm > 1e-6 else None
