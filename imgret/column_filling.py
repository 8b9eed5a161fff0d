"""Fills columns of the words index that came with another version of a stage, from the results that are there.

This takes minutes in a large library, so it is done in short transactions, and how far each stage is stands in the library.
Whoever has the stage goes on from there: a process that was interrupted, or another host.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping

from imgret import stage_results
from imgret.stages import registry
from imgret.store.interface import Store

_KEY = "columns to fill"  # stage -> the last content that has its words


def begin(store: Store, stages: Collection[str]) -> None:
    """The columns of these stages are to be filled, those that are not there yet, too."""
    if stages:
        with store.writing():
            _remember(store, {**_left(store), **dict.fromkeys(stages, 0)})


def run(store: Store) -> None:
    """Fill what is to be filled, except columns of stages that only another host has. Fast if there is nothing."""
    installed = registry.installed()
    while store.setting(_KEY) is not None:
        with store.writing():
            known = {column.stage for column in store.text_columns.all()}
            left = {stage: after for stage, after in _left(store).items() if stage in known}
            after = min((after for stage, after in left.items() if stage in installed), default=None)
            if after is not None:
                stages = [stage for stage in left if stage in installed and left[stage] == after]
                last = store.results.fill_columns(stage_results.texts, stages, after)
                for stage in stages:
                    if last is None:
                        del left[stage]
                    else:
                        left[stage] = last
            _remember(store, left)
        if after is None:
            return
        store.give_way()


def rebuild(store: Store) -> None:
    """Rebuild all words. Those of stages that only another host has stay as they are, until that host fills them."""
    installed = set(registry.installed().names)
    store.results.rebuild_words(stage_results.texts, installed)
    stages = {column.stage for column in store.text_columns.all() if column.stage is not None}
    begin(store, stages - installed)


def _left(store: Store) -> dict[str, int]:
    found: dict[str, int] = json.loads(store.setting(_KEY) or "{}")
    return found


def _remember(store: Store, left: Mapping[str, int]) -> None:
    if left != _left(store) or not left:
        store.remember(_KEY, json.dumps(left) if left else None)
