"""Which stages can run with the models that are here, and which results another model would give today."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from imgret.config import Settings
from imgret.photo import ModelIdentity
from imgret.stages import registry
from imgret.stages.interface import DECODE, NOTE
from imgret.store.interface import Store


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

    `identities` are those of the stages that can be done now; the others keep waiting.
    """
    wanted = settings.stages()
    today = ";".join(f"{stage}={identities.get(stage, 'waits')}" for stage in sorted(wanted))
    if store.setting("models") == today:
        return 0
    off = set(registry.installed().names) - wanted
    with store.writing():
        queued = store.work.queue_outdated({s: i for s, i in identities.items() if s in wanted}, off)
        store.remember("models", today)
        store.remember("waiting", ",".join(sorted(wanted - workable(settings, identities))))
    return queued
