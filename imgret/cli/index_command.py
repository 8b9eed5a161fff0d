"""`imgret index`: scan folders and describe new photos, without a daemon."""

from __future__ import annotations

import functools
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer
from msgspec.structs import replace

from imgret import disk_calls, inputs
from imgret.cli import console
from imgret.cli.index_report import (
    SHOWN_PROBLEMS,
    UP_TO_DATE,
    failed_below,
    failed_message,
    report_missing_weights,
    report_scan,
    report_unread,
)
from imgret.cli.progress import Advance, bar
from imgret.cli.session import Session, folders, session
from imgret.errors import Exit, UsageError
from imgret.limits import limits_explained
from imgret.stage_progress import stage_fields, stage_text
from imgret.store import paths
from imgret.store.factory import exists

if TYPE_CHECKING:
    from imgret.ingest import Described, Ingest
    from imgret.photo import ModelIdentity
    from imgret.pipeline.models import Models
    from imgret.pipeline.pipeline import Progress
    from imgret.store.interface import Store

RESCANS = 3  # at most, after photos were moved or edited while they were described


def index(
    paths: Annotated[
        list[str] | None,
        typer.Argument(metavar="PATH", help="Folders. Default: all that are watched or were indexed before."),
    ] = None,
    wait: Annotated[
        float, typer.Option(help="Seconds to wait while another process is indexing.", min=0)
    ] = 3600.0,
) -> None:
    """Describe the photos in folders.

    Only new and changed photos are described; moved and copied ones are recognized. If a daemon is running, it does
    the work. Exits with 1 if some photos could not be read or described, or if the daemon is paused; the others
    are indexed.
    """
    here = session()
    wanted = folders(paths) if paths else _known_folders(here)
    if not wanted:
        raise UsageError("no folder to index", "Name one: imgret index ~/Pictures")
    from imgret.cli.index_delegated import index_by_daemon

    code = index_by_daemon(here, wanted)
    if code is not None:
        raise typer.Exit(code)
    from imgret.store.factory import writer_lock

    try:
        with (
            limits_explained(),
            writer_lock(here.places.index, wait=wait, waiting=_report_waiting),
            here.index(create=True) as store,
        ):
            store.renew_identity()
            problems = scan_folders(here, store, wanted)
            described = describe(here, store, wanted)
            rescans = 0
            while described.changed and rescans < RESCANS:
                problems += scan_folders(here, store, wanted)
                described, rescans = describe(here, store, wanted), rescans + 1
            report_unread(store)
            store.checkpoint()
    except KeyboardInterrupt:
        console.message("interrupted: finished photos are saved; run the command again to continue")
        raise typer.Exit(Exit.INTERRUPTED) from None
    if described.changed:
        console.message(
            f"{console.counted(len(described.changed), 'photo')} changed while they were described: run `imgret index` again"
        )
    if problems or described.failed or described.changed:
        raise typer.Exit(Exit.NO_HITS)


def _known_folders(here: Session) -> list[bytes]:
    """Return the folders of the configuration and those that were indexed before, without nested ones."""
    found = [disk_calls.resolved(inputs.path_bytes(folder)) for folder in here.settings.folders]
    if exists(here.places.index):
        with here.index() as store:
            found += [
                root.path for root in store.roots.all() if root.here and store.summary.photos_under(root.id)
            ]
    inner = {path for path in found for other in found if paths.relative(other, path)}
    return [path for path in dict.fromkeys(found) if path not in inner]


def scan_folders(here: Session, store: Store, wanted: list[bytes]) -> int:
    """Synchronize the index with these folders, and report what was found. Return the number of problems."""
    from imgret.exclude import Exclude
    from imgret.skipped import why_not_entered
    from imgret.sync import add_root, sync
    from imgret.terminal.clean import clean

    problems = 0
    for path in wanted:
        root, inside = add_root(store, path)
        with bar(f"Scanning {console.shown(path)}") as advance:
            found = sync(store, here.settings, root, folders=[inside], on_progress=advance)
        problems += report_scan(path, found)
        if not found.seen and not found.problems and found.offline is None:
            rules = Exclude(here.settings.exclude, hidden=here.settings.hidden)
            why = disk_calls.call(path, functools.partial(why_not_entered, root.path, inside, rules))
            if why is not None:
                console.message(f"{console.shown(path)} is left out: {clean(why)}")
    return problems


def describe(here: Session, store: Store, wanted: list[bytes] | None = None) -> Described:
    """Describe the photos that are due, with the available models.

    `failed` of the result also counts models that cannot be loaded, and photos of the `wanted` folders that failed
    before and are not due for a retry yet. Reports the progress and exits with 130 if it is interrupted.
    """
    from imgret.ingest import Described, Ingest
    from imgret.pipeline.loading import identities
    from imgret.requeue import prepare, workable
    from imgret.store.records import READ

    store.work.recover()
    available = identities(here.settings, here.places)
    prepare(store, here.settings, available)
    if wanted:
        store.work.request(wanted, store.summary.waiting_stages())
    waiting = store.work.due(workable(here.settings, available), int(time.time()))
    report_missing_weights(here, store)
    if not waiting:
        not_due = len(failed_below(store, wanted or []))
        console.message(f"nothing to describe now: {failed_message(not_due)}" if not_due else UP_TO_DATE)
        return Described(0, not_due)
    models, broken = _loaded(here, store, available)
    began = time.monotonic()
    try:
        ingest = Ingest(store, here.settings, models)
        with _stopping_after_batch(ingest), bar("Describing", total=waiting) as advance:
            described = ingest.run(lambda progress: _advance(advance, progress, waiting))
    finally:
        models.close()
    seconds = time.monotonic() - began
    rate = described.done / seconds if seconds else 0.0
    console.message(f"{described.done} described in {seconds:.1f} s ({rate:.1f} per second)")
    # Unreadable photos were reported when their folder was scanned.
    known = store.failures.all(SHOWN_PROBLEMS + 1) if described.failed else []
    listed = [failure for failure in known if failure.stage != READ]
    for failure in listed[:SHOWN_PROBLEMS]:
        console.message(f"{failure.error}")
    if len(listed) > SHOWN_PROBLEMS:
        console.message("... `imgret status` lists them all")
    if described.interrupted:
        left = store.work.due(workable(here.settings, available), int(time.time()))
        console.message(
            f"interrupted: {console.counted(described.done, 'photo')} saved, {left} left; run the command again to continue"
        )
        raise typer.Exit(Exit.INTERRUPTED)
    failed = max(described.failed, len(failed_below(store, wanted or []))) + broken
    return replace(described, failed=failed)


def _loaded(here: Session, store: Store, available: dict[str, ModelIdentity]) -> tuple[Models, int]:
    """Load only the models that the due work needs: a new note alone does not load the captioner.

    Weights that are present but cannot be loaded are reported; their stage waits as if they were missing.
    Return the models, and the number of stages whose weights cannot be loaded.
    """
    from imgret.pipeline.loading import load_models, missing
    from imgret.requeue import prepare
    from imgret.stages import registry

    stages = registry.installed()
    due = set(store.work.waiting())
    off = set(stages.names) - here.settings.stages()
    with bar("Loading the models"):
        models = load_models(here.settings, here.places, stages.needed(due) | off)
    broken = models.missing.keys() - missing(here.settings, here.places).keys()
    console.messages(models.unused_devices.values())
    if broken:
        console.messages(models.missing[stage] for stage in sorted(broken))
        loaded = {stage: identity for stage, identity in available.items() if stage not in broken}
        for stage in broken & models.loaded.keys():  # another model is used instead
            loaded[stage] = models[stage].identity
        prepare(store, here.settings, loaded, {stage: models.missing[stage] for stage in broken})
    return models, len(broken)


def _advance(advance: Advance, progress: Progress, total: int) -> None:
    note = stage_text(stage_fields(progress.stages), most=3)
    advance(progress.done, max(total, progress.done), note)


@contextmanager
def _stopping_after_batch(ingest: Ingest) -> Iterator[None]:
    """Stop after the current batch on the first ctrl-C or SIGTERM, and at once on the second."""

    def stop(number: int, _frame: object) -> None:
        signal.signal(number, signal.default_int_handler)
        console.message("stopping after this batch; press ctrl-C again to stop at once")
        ingest.stop()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _report_waiting(holder: str) -> None:
    console.message(f"waiting for {holder}, which is indexing")
