"""Which contents pass the filters of recent searches, kept for a process that runs many."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from imgret.store.clauses import Clause
from imgret.store.interface import Store

KEPT = 8  # masks of each connection: a megabyte each in a library of a million photos

Ids = NDArray[np.int64]
Mask = NDArray[np.bool_]  # by the id of a content, from 1; the first and the last element are False


class FilterMasks:
    """The masks of each connection, until it sees a commit. Any thread may call, with its own store.

    Connections do not share them: two transactions may see different commits, and which is later is not known.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: WeakKeyDictionary[Store, _Known] = WeakKeyDictionary()

    def passing(self, store: Store, clauses: Sequence[Clause]) -> Mask:
        """Return the present contents that pass these clauses."""
        key = tuple(clauses)
        with store.reading():
            token = store.change_token()
            with self._lock:
                known = self._known.get(store)
                if known is None or known.token != token:
                    known = self._known[store] = _Known(token)
            if key not in known.masks:
                known.masks[key] = mask_of(store.filters.matching(clauses))
            known.masks.move_to_end(key)
            while len(known.masks) > KEPT:
                known.masks.popitem(last=False)
            return known.masks[key]


class _Known:
    """The masks of one connection, which belongs to one thread."""

    def __init__(self, token: tuple[int, int]) -> None:
        self.token = token
        self.masks: OrderedDict[tuple[Clause, ...], Mask] = OrderedDict()


def mask_of(ids: Ids) -> Mask:
    """Return the mask of these contents."""
    mask = np.zeros(int(ids.max(initial=-1)) + 2, np.bool_)
    mask[ids] = True
    return mask


def passes(mask: Mask, ids: Ids) -> Mask:
    """Return which of these contents are in a mask, as bool (ids,). Negative ids are in none."""
    return mask.take(ids, mode="clip")  # which turns those outside into the first and the last
