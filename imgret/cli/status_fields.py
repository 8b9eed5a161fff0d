"""The JSON of `imgret status`: figures, folders, failures and notes of the index, and the daemon's state."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import msgspec

from imgret.cli.daemon_link import daemon_state
from imgret.cli.index_report import unread_metadata
from imgret.cli.session import Session
from imgret.search.hit_json import path as path_fields
from imgret.stages import registry
from imgret.stages.interface import DECODE
from imgret.store import paths
from imgret.store.factory import exists
from imgret.store.interface import Store

SHOWN_FAILURES = 100
SHOWN_NOTES = 100  # notes whose photo is gone


def status_fields(here: Session) -> dict[str, Any]:
    """Return the JSON object of `imgret status`; it has the same keys before there is an index."""
    fields: dict[str, Any] = {"v": 1, "index": here.places.index}
    if not exists(here.places.index):
        empty = dict.fromkeys(("photos", "described", "pending", "failed", "offline", "unread_metadata"), 0)
        lists: dict[str, Any] = {name: [] for name in ("folders", "failures", "lost_notes", "hosts")}
        return (
            fields
            | empty
            | {
                "waiting": {},
                "waiting_reasons": {},
                "stages": {},
                "progress": [],
                "daemon": daemon_state(here),
            }
            | lists
        )
    with here.index() as store:
        waiting = store.summary.waiting_stages()
        fields |= msgspec.structs.asdict(store.summary.totals(waiting))
        waits = store.work.waiting()
        fields["waiting"] = {stage: waits[stage] for stage in sorted(waiting) if stage in waits}
        fields["waiting_reasons"] = _waiting_reasons(here, store, fields["waiting"])
        wanted = here.settings.stages()
        daemon = daemon_state(here)
        fields["progress"] = _progress(store, wanted, waiting, daemon or {})
        fields["stages"] = {
            stage: waits.get(stage, 0) for stage in (DECODE, *registry.installed().names) if stage in wanted
        }
        fields["daemon"] = daemon
        fields["folders"] = _folders(store)
        fields["failures"] = _failures(store)
        fields["lost_notes"] = _lost_notes(store)
        fields["unread_metadata"] = unread_metadata(store)
        fields["hosts"] = [msgspec.structs.asdict(host) for host in store.workers.all()]
    return fields


def _waiting_reasons(here: Session, store: Store, waiting: Collection[str]) -> dict[str, str]:
    """Return why stages wait, in the words of `imgret index`; those that wait for another stage have no reason."""
    from imgret.pipeline.loading import missing
    from imgret.requeue import broken_stages

    if not waiting:
        return {}
    reasons = broken_stages(store) | missing(here.settings, here.places)
    return {stage: reasons[stage] for stage in waiting if stage in reasons}


def _progress(
    store: Store, wanted: Collection[str], missing: Collection[str], daemon: dict[str, Any]
) -> list[dict[str, Any]]:
    """Return the stages that are not finished, with the times left that the daemon has estimated."""
    progress = store.summary.progress()
    left = {each["stage"]: each["seconds_left"] for each in daemon.get("stages", ())}
    return [
        {
            "stage": stage,
            "done": progress.done(stage),
            "total": progress.contents - progress.failed.get(stage, 0),
            "seconds_left": left.get(stage),
        }
        for stage in registry.installed().in_order(wanted)
        if progress.waiting.get(stage) and stage not in missing
    ]


def _folders(store: Store) -> list[dict[str, Any]]:
    return [
        {
            **path_fields(root.path),
            "photos": store.summary.photos_under(root.id),
            "watched": root.watched,
            "here": root.here,
            "online": root.online,
            "reason": root.reason,
            "away": [
                {**path_fields(paths.join(root.path, mount.folder, b"")[:-1]), "reason": mount.reason}
                for mount in store.roots.mounts(root.id)
                if mount.reason is not None
            ],
            "scanned_at": root.scanned_at,
        }
        for root in store.roots.all()
    ]


def _failures(store: Store) -> list[dict[str, Any]]:
    return [
        {
            **path_fields(failure.path),
            "stage": failure.stage,
            "reason": failure.error,
            "attempts": failure.attempts,
            "again_at": None if failure.set_aside else failure.not_before,
        }
        for failure in store.failures.all(SHOWN_FAILURES)
    ]


def _lost_notes(store: Store) -> list[dict[str, Any]]:
    lost_notes = store.notes.lost_notes()[:SHOWN_NOTES]
    return [{**path_fields(lost.path), "note": lost.text} for lost in lost_notes]
