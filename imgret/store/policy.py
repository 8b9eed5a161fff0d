"""Decisions that all stores share: retries, pauses, how long deleted photos are kept, which words are searched."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imgret.store.records import Term

MAX_ATTEMPTS = 5
# Not real inode numbers: a photo with one of these differs from its file, so the next scan hashes the file.
YOUNG_INODE = -1  # the file was so new that a later change may leave its stat unchanged
OTHER_INODE = -2  # the file had other contents than expected
PAUSES = (60, 600, 3600, 6 * 3600, 24 * 3600)  # seconds until the next try, by the number of attempts
# The error of a photo that is not retried because the process died each time it was described.
CRASHED = f"the program ended {MAX_ATTEMPTS} times while it described only this photo"
# Request numbers of queued work. Those of the user's requests are greater than ARRIVED.
BACKLOG = 0
ARRIVED = 1  # new and changed photos, changed notes, and failures to be retried
FAILED = -1  # failed work that may be retried: it is claimed last
# In the error of a content: the path of whichever photo is shown, because copies fail together.
THIS_PATH = "{path}"
KEEP_TOMBSTONES = 30 * 86400  # seconds
COPYING = "copying"  # the setting of a store that is a part of a copy


def precedence(request: int) -> int:
    """Return the precedence of the work of a request: the user's requests before what has arrived, and the backlog last."""
    return min(max(request, BACKLOG), ARRIVED + 1)


def rarest(terms: Iterable[Term], budget: int, *, strict: bool) -> list[Term]:
    """Return the rarest terms that are in at most `budget` documents together, by which documents are found.

    The rarest one is always among them unless `strict`. Terms of no document are left out.
    """
    chosen: list[Term] = []
    total = 0
    for term in sorted((term for term in terms if term.documents), key=lambda term: term.documents):
        total += term.documents
        if (chosen or strict) and total > budget:
            break
        chosen.append(term)
    return chosen
