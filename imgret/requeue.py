"""Which stages can be worked on with the models that are here, and what they would make otherwise today."""

from __future__ import annotations

from collections.abc import Collection

from imgret.config import Settings
from imgret.photo import ModelIdentity, Stage
from imgret.store.interface import Store


def workable(settings: Settings, have: Collection[Stage]) -> frozenset[Stage]:
    """The wanted stages that can be done with the models of `have`: topics wait with the captions they are of."""
    stages = settings.stages() & {*have, Stage.DECODE}
    if Stage.CAPTION in settings.stages() - stages:
        stages -= {Stage.TOPICS}
    return stages


def prepare(store: Store, settings: Settings, identities: dict[Stage, ModelIdentity]) -> int:
    """Queue what the models of today would make otherwise. -> how many results; cheap when nothing changed.

    `identities` are those of the stages that can be done now; the others keep waiting.
    """
    wanted = settings.stages()
    today = ";".join(f"{stage}={identities.get(stage, 'waits')}" for stage in sorted(wanted))
    if store.setting("models") == today:
        return 0
    off = set(Stage) - wanted
    with store.writing():
        queued = store.work.queue_outdated({s: i for s, i in identities.items() if s in wanted}, off)
        store.remember("models", today)
        store.remember("waiting", ",".join(sorted(wanted - workable(settings, identities))))
    return queued
