"""Which words of a query are looked for as parts of longer ones, alone and written together with their neighbours."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from imgret.store.fold import squeezed
from imgret.store.records import Term

Ids = NDArray[np.int64]
PART = 6  # letters from which on plain words are found as parts of others: `light` would find every FLIGHT


def runs(terms: Sequence[Term]) -> Iterable[tuple[str, tuple[int, ...]]]:
    """(letters, the places of its terms): all terms together, neighbours, and single terms, each of PART letters at least."""
    texts = [squeezed(term.text) for term in terms]
    every = [
        tuple(range(len(texts))),
        *((at, at + 1) for at in range(len(texts) - 1)),
        *((at,) for at in range(len(texts))),
    ]
    for places in dict.fromkeys(every):
        letters = "".join(texts[at] for at in places)
        if len(letters) >= PART:
            yield letters, places


def contained(letters: str, terms: Sequence[Term]) -> set[int]:
    """The places of the terms that are part of these squeezed letters, alone or together with others."""
    return {at for wanted, places in runs(terms) if wanted in letters for at in places}


def with_parts(parts: Ids, found: Ids, count: int) -> Ids:
    """Return `count` contents: those that contain words as parts, in any order, then the best by BM25, the best first.

    If they are more, `parts` get half of the places, because any photo with a common word is one of them.
    """
    if not len(parts):
        return found[:count]
    joined = dict.fromkeys([*parts.tolist(), *found.tolist()])
    if len(joined) > count:
        joined = dict.fromkeys([*parts[: count // 2].tolist(), *found.tolist(), *parts.tolist()])
    return np.array(list(joined)[:count], np.int64)
