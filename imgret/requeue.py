"""Which stages can run with the models that are here, and which results another model would give today."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from imgret import stage_results
from imgret.config import Settings
from imgret.photo import ModelIdentity
from imgret.stages import registry
from imgret.stages.interface import DECODE, NOTE
from imgret.store.interface import Store
from imgret.store.records import TextColumn


def read_notes(settings: Settings) -> frozenset[str]:
    """The wanted stages that read notes: to be queued for a photo whose note changes."""
    return settings.stages().intersection(registry.installed().followers(NOTE))


def workable(settings: Settings, have: Collection[str]) -> frozenset[str]:
    """The wanted stages that can run with the models of `have`.

    A stage waits with those that it requires, as topics do with the captions that they are of.
    """
    wanted = settings.stages()
    stages = set(wanted & {*have, DECODE})
    for stage in registry.installed().stages:  # each comes after those that it requires
        if any(name in wanted and name not in stages for name in stage.required):
            stages.discard(stage.name)
    return frozenset(stages)


def prepare(store: Store, settings: Settings, identities: Mapping[str, ModelIdentity]) -> int:
    """Queue what the models of today would make otherwise. -> how many results; cheap when nothing changed.

    `identities` are those of the stages that can be done now; the others keep waiting. What is there of stages that
    are no longer installed is removed; what is there of stages that are broken stays.
    """
    wanted = settings.stages()
    columns = _columns(store)
    made = [f"{stage}={identities.get(stage, 'waits')}" for stage in sorted(wanted)]
    today = ";".join([*made, *(f"{column.stage}.{column.name}*{column.weight:g}" for column in columns)])
    if store.setting("models") == today:
        return 0
    stages = registry.installed()
    for stage in store.stages():
        if stage not in stages and stage not in stages.problems and stage != DECODE:
            store.forget_stage(stage)
    before = {column.name for column in store.text_columns.all()}
    with store.writing():
        if store.text_columns.set(columns) and any(
            column.name not in before and column.stage in store.stages() for column in columns
        ):
            store.results.rebuild_words(stage_results.texts)
        off = set(stages.names) - wanted
        queued = store.work.queue_outdated({s: i for s, i in identities.items() if s in wanted}, off)
        store.remember("models", today)
        store.remember("waiting", ",".join(sorted(wanted - workable(settings, identities))))
    return queued


def _columns(store: Store) -> list[TextColumn]:
    """The columns of the words index that the stages have; those of stages that are broken now stay as they are."""
    stages = registry.installed()
    broken = stages.problems.keys() - set(stages.names)
    return [
        *(
            TextColumn(each.name, stage.name, each.weight)
            for stage in stages.stages
            for each in stage.columns
        ),
        *(column for column in store.text_columns.all() if column.stage in broken),
    ]
