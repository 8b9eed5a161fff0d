"""Determines which stages can run, and queues results that were computed by other models than the present ones."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from types import MappingProxyType

from imgret import column_filling
from imgret.config import Settings
from imgret.photo import ModelIdentity
from imgret.stages import registry
from imgret.stages.interface import DECODE, NOTE
from imgret.store.interface import Store
from imgret.store.records import TextColumn


def read_notes(settings: Settings) -> frozenset[str]:
    """Return the enabled stages that read notes. They are queued for a photo whose note changes."""
    return settings.stages().intersection(registry.installed().followers(NOTE))


def workable(settings: Settings, have: Collection[str]) -> frozenset[str]:
    """Return the enabled stages that can run when the stages in `have` have models.

    A stage that requires another one waits for it: topics are computed from captions.
    """
    wanted = settings.stages()
    stages = set(wanted & {*have, DECODE})
    for stage in registry.installed().stages:  # sorted: each after the stages that it requires
        if any(name in wanted and name not in stages for name in stage.required):
            stages.discard(stage.name)
    return frozenset(stages)


def prepare(
    store: Store,
    settings: Settings,
    identities: Mapping[str, ModelIdentity],
    broken: Mapping[str, str] = MappingProxyType({}),
) -> int:
    """Queue the results that were computed by other models than `identities`. Return how many.

    `identities` maps each stage that can run now to its model; the other stages keep waiting, those in `broken` for the
    reason that is given: their weights are there and cannot be loaded. Results of stages that
    are no longer installed are deleted; results of broken stages are kept. Fast if nothing changed.

    All of it is done in short transactions, and that it is done is saved last: what was interrupted is done again, even if
    the settings have been changed back by then.
    """
    wanted = settings.stages()
    columns = _columns(store)
    made = [f"{stage}={identities.get(stage, 'waits')}" for stage in sorted(wanted)]
    current = ";".join([*made, *map(str, columns), *map(": ".join, sorted(broken.items()))])
    if store.setting("models") == current:
        column_filling.run(store)  # what another host may have left
        return 0
    store.remember("models", None)
    stages, elsewhere = registry.installed(), store.workers.stages_elsewhere()
    for stage in store.stages() - elsewhere:
        if stage not in stages and stage not in stages.problems and stage != DECODE:
            store.forget_stage(stage)
    there = {column.name: column.stage for column in store.text_columns.all()}
    after = {column.name: column.stage for column in columns}
    # Also those of columns that go: where that is interrupted and taken back, they have lost some words.
    changed = {stage for name, stage in {**there, **after}.items() if (name in there) != (name in after)}
    column_filling.begin(store, store.stages() & changed)
    store.text_columns.set(columns)
    column_filling.run(store)
    off = set(stages.names) - wanted
    queued = store.work.queue_outdated({s: i for s, i in identities.items() if s in wanted}, off)
    with store.writing():
        store.remember("models", current)
        store.remember("broken", json.dumps(dict(broken)))
        store.remember("waiting", ",".join(sorted(wanted - workable(settings, identities))))
    return queued


def broken_stages(store: Store) -> dict[str, str]:
    """Return the stages whose weights could not be loaded by the last run, each with the reason."""
    found: dict[str, str] = json.loads(store.setting("broken") or "{}")
    return found


def _columns(store: Store) -> list[TextColumn]:
    """Return the columns of the words index: those of the stages, of broken stages, and of stages of other hosts."""
    stages = registry.installed()
    kept = (stages.problems.keys() | store.workers.stages_elsewhere()) - set(stages.names)
    return [
        *(
            TextColumn(each.name, stage.name, each.weight, each.substrings)
            for stage in stages.stages
            for each in stage.columns
        ),
        *(column for column in store.text_columns.all() if column.stage in kept),
    ]
