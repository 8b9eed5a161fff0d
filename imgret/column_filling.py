"""Fills columns of the words index that came with another version of a stage, from the results that are there.

This takes minutes in a large library, so it is done in short transactions, and how far it is stands in the library.
Whoever has the stages goes on from there: a process that was interrupted, or another host.
"""

from __future__ import annotations

import json
from collections.abc import Collection

from imgret import stage_results
from imgret.stages import registry
from imgret.store.interface import Store

_KEY = "columns to fill"  # the stages, and the last content that has their words


def begin(store: Store, stages: Collection[str]) -> None:
    """The columns of these stages are to be filled, those that are not there yet, too."""
    with store.writing():
        waiting, _ = _left(store)
        store.remember(_KEY, json.dumps([sorted({*waiting, *stages}), 0]))


def run(store: Store) -> None:
    """Fill what is to be filled, unless only another host has the stage. Fast if there is nothing."""
    stages = registry.installed()
    while store.setting(_KEY) is not None:
        with store.writing():
            waiting, after = _left(store)
            known = {column.stage for column in store.text_columns.all()}
            wanted = [stage for stage in waiting if stage in known]
            if any(stage not in stages for stage in wanted):
                return
            last = store.results.fill_columns(stage_results.texts, wanted, after) if wanted else None
            store.remember(_KEY, None if last is None else json.dumps([wanted, last]))
        store.give_way()


def _left(store: Store) -> tuple[list[str], int]:
    stages, after = json.loads(store.setting(_KEY) or "[[], 0]")
    return stages, after
