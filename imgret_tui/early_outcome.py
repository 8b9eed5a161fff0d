"""`--select-1` and `--exit-0`: whether the picker is needed at all."""

from __future__ import annotations

from imgret.errors import Exit
from imgret_tui.photo_actions import Outcome
from imgret_tui.search_backend import SearchBackend

_ENOUGH = 2  # hits that are looked at


def early_outcome(backend: SearchBackend, query: str, *, one: bool, none: bool) -> Outcome | None:
    """How the program ends without the picker; None if it is needed. Closes the backend.

    A search by meaning finds something for any words, so weak hits do not count where there are stronger ones, and
    for `none` a query all of whose hits are weak matches nothing.
    """
    try:
        hits = backend.search(query, _ENOUGH).hits
    finally:
        backend.close()
    matching = tuple(hit for hit in hits if hit.strength != "weak")
    if none and not matching:
        return Outcome(Exit.NO_HITS)
    if one and len(matching) == 1:
        return Outcome(Exit.OK, matching)
    return None
