"""Messages about the result of indexing, the same with and without a daemon."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgret.cli import console
from imgret.cli.session import Session
from imgret.store import paths

if TYPE_CHECKING:
    from imgret.intake import SyncResult
    from imgret.store.interface import Store
    from imgret.store.records import Failure

SHOWN_PROBLEMS = 20
NOTE_LENGTH = 60  # characters shown of a note whose photo is gone
MOST_FAILURES = 100_000  # examined
_REPORTED_MISSING = "told missing"  # the setting in the index, as earlier versions named it
UP_TO_DATE = "nothing to describe: everything is up to date"
NO_FOLDERS = "no folders yet: run `imgret index FOLDER`, or `imgret add FOLDER` to have it watched"


def report_scan(path: bytes, found: SyncResult) -> int:
    """Report what the scan of a folder found. Return the number of problems."""
    if found.offline:
        console.message(f"{console.shown(path)} is offline: {found.offline}. Its photos stay searchable.")
        return 1
    if found.removed:
        console.message(
            f"{console.shown(path)} was removed while it was scanned: nothing more of it is indexed"
        )
        return 1
    figures = [
        f"{count} {word}"
        for count, word in (
            (found.new, "new"),
            (found.changed, "changed"),
            (found.moved, "moved or copied"),
            (found.gone, "gone"),
            (found.unreadable, "unreadable"),
        )
        if count
    ]
    console.message(
        f"{console.shown(path)}: {console.counted(found.seen, 'photo')}, {', '.join(figures) or 'nothing changed'}"
        if found.seen or figures
        else f"{console.shown(path)}: no photos"
    )
    console.messages(found.problems[:SHOWN_PROBLEMS])
    if len(found.problems) > SHOWN_PROBLEMS:
        console.message(
            f"... and {len(found.problems) - SHOWN_PROBLEMS} more; `imgret status` lists them all"
        )
    return len(found.problems)


def report_missing_weights(here: Session, store: Store) -> None:
    """Report which weights are missing; once, and again only when that changes."""
    from imgret.pipeline.loading import missing
    from imgret.store.fold import encodable

    sentences = missing(here.settings, here.places)
    report = encodable("\n".join(sentences.values()))  # as the store returns it: a path may not be UTF-8
    if report and store.setting(_REPORTED_MISSING) != report:
        console.messages(sentences.values())
        console.message("Photos are indexed without this; once it is there, `imgret index` completes them.")
    if (store.setting(_REPORTED_MISSING) or "") != report:
        store.remember(_REPORTED_MISSING, report or None)


def unread_metadata(store: Store) -> int:
    """Return how many contents have metadata or a sidecar that could not be read completely."""
    from imgret.stages.metadata import PROBLEM, UNREADABLE
    from imgret.store.clauses import Clause, Tagged

    return len(store.filters.matching([Clause(Tagged(PROBLEM, UNREADABLE))]))


def unread_message(count: int) -> str:
    """Return a message with the number of photos whose metadata could not be read, and what to do."""
    return (
        f"{console.counted(count, 'photo')} with metadata or a sidecar that could not be read completely:"
        " `imgret query problem:metadata` lists them, `imgret show FILE` gives the reason"
    )


def report_unread(store: Store) -> None:
    """Report how many photos have metadata that could not be read, if any."""
    if count := unread_metadata(store):
        console.message(unread_message(count))


def failed_below(store: Store, wanted: list[bytes]) -> list[Failure]:
    """Return the photos below these folders that could not be read or described."""
    return [
        failure
        for failure in store.failures.all(MOST_FAILURES)
        if any(paths.relative(path, failure.path) for path in wanted)
    ]


def failed_message(count: int) -> str:
    """Return a message with the number of failed photos and what to do."""
    return f"{count} failed; `imgret status` gives the reasons, `imgret retry` tries again"


def shortened(note: str) -> str:
    """Return a note as one line, cut off after NOTE_LENGTH characters."""
    text = " ".join(note.split())
    return text if len(text) <= NOTE_LENGTH else f"{text[:NOTE_LENGTH]}..."
