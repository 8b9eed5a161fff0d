"""`imgret index`: look at folders and describe what is new, without any daemon."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from imgret.cli import render
from imgret.cli.progress import Advance, bar
from imgret.cli.session import Session, folders, session
from imgret.errors import Exit, UsageError

if TYPE_CHECKING:
    from imgret.describe.models import Models
    from imgret.describe.pipeline import Progress
    from imgret.index.connection import Index
    from imgret.ingest import Ingest
    from imgret.photo import ModelIdentity, Stage
    from imgret.sync import Synced

SHOWN_PROBLEMS = 20


def index(
    paths: Annotated[
        list[str] | None,
        typer.Argument(metavar="PATH", help="Folders; none: the `folders` of the configuration."),
    ] = None,
    wait: Annotated[float, typer.Option(help="Seconds to wait for another writer.", min=0)] = 3600.0,
) -> None:
    """Describe the photos in folders.

    New and changed ones only: what is known, moved or copied costs nothing. A daemon does it, where one runs.
    Exits with 1 when some photos could not be read or described; the rest is indexed all the same.
    """
    here = session()
    wanted = folders(paths or here.settings.folders)
    if not wanted:
        raise UsageError("no folder to index", "Name one: imgret index ~/Pictures")
    if _handed_over(here, wanted):
        return
    from imgret.index.connection import writer
    from imgret.index.identity import renew

    try:
        with (
            writer(here.places.index, wait=wait, waiting=_tell_waiting),
            here.index(create=True) as index,
        ):
            renew(index)
            problems = look(here, index, wanted)
            failed = describe(here, index)
            index.checkpoint()
    except KeyboardInterrupt:
        render.say("interrupted: what was saved is safe; run it again to go on")
        raise typer.Exit(Exit.INTERRUPTED) from None
    if problems or failed:
        raise typer.Exit(Exit.NO_HITS)


def look(here: Session, index: Index, wanted: list[bytes]) -> int:
    """Bring the paths up to date with the disk, and tell what was found. -> how many problems."""
    from imgret.sync import add_root, sync

    problems = 0
    for path in wanted:
        root, inside = add_root(index, path)
        with bar(f"Looking at {render.shown(path)}") as advance:
            found = sync(index, here.settings, root, folders=[inside], on_progress=advance)
        problems += _tell(path, found)
    return problems


def describe(here: Session, index: Index) -> int:
    """Describe what is due with the models that are here. -> how many photos, and models, failed.

    Exits with 130 when it was interrupted, and says how far it got.
    """
    from imgret.describe.loading import identities
    from imgret.index import work
    from imgret.ingest import Ingest, prepare, workable

    work.recover(index)
    able = identities(here.settings, here.places)
    prepare(index, here.settings, able)
    waiting = work.due(index, workable(here.settings, able), int(time.time()))
    _tell_missing(here, index)
    if not waiting:
        aside = len(work.failures(index))
        render.say(
            f"nothing to describe now: {aside} failed before; `imgret status` says why, `imgret retry` tries again"
            if aside
            else "nothing to describe: everything is up to date"
        )
        return 0
    models, broken = _loaded(here, index, able)
    began = time.monotonic()
    try:
        ingest = Ingest(index, here.settings, models)
        with _stopping_gently(ingest), bar("Describing", total=waiting) as advance:
            described = ingest.run(lambda progress: _advance(advance, progress, waiting))
    finally:
        models.close()
    seconds = time.monotonic() - began
    rate = described.done / seconds if seconds else 0.0
    render.say(f"{described.done} described in {seconds:.1f} s ({rate:.1f} a second)")
    failures = work.failures(index, SHOWN_PROBLEMS + 1) if described.failed else []
    for failure in failures[:SHOWN_PROBLEMS]:
        render.say(f"{failure.error}")
    if len(failures) > SHOWN_PROBLEMS:
        render.say("... `imgret status` lists them all")
    if described.interrupted:
        left = work.due(index, workable(here.settings, able), int(time.time()))
        render.say(f"interrupted: {described.done} photos are safe, {left} are left; run it again to go on")
        raise typer.Exit(Exit.INTERRUPTED)
    return described.failed + broken


def _loaded(here: Session, index: Index, able: dict[Stage, ModelIdentity]) -> tuple[Models, int]:
    """The models that what is due needs: a new note alone does not load the captioner.

    Weights that are here and cannot be loaded are told; their stage waits as if they were missing.
    -> the models, and how many of them are broken.
    """
    from imgret.describe.loading import load_models, missing
    from imgret.index import work
    from imgret.ingest import prepare
    from imgret.photo import Stage

    due = set(work.waiting(index))
    needed = due.union(*(work.FOLLOWERS[stage] for stage in due))
    off = set(Stage) - here.settings.stages()
    with bar("Loading the models"):
        models = load_models(here.settings, here.places, needed | off)
    broken = models.missing.keys() - missing(here.settings, here.places).keys()
    if broken:
        render.say_all(models.missing[stage] for stage in sorted(broken))
        loaded = {stage: identity for stage, identity in able.items() if stage not in broken}
        if models.embed is not None:  # the offline embedder stands in
            loaded[Stage.EMBED] = models.embed.identity
        prepare(index, here.settings, loaded)
    return models, len(broken)


def _advance(advance: Advance, progress: Progress, total: int) -> None:
    rate = progress.done / progress.seconds if progress.seconds else 0.0
    note = f"{rate:.1f}/s  decode {progress.decoding}  model {progress.waiting + progress.describing}"
    advance(progress.done, max(total, progress.done), f"{note}  save {progress.saving}")


@contextmanager
def _stopping_gently(ingest: Ingest) -> Iterator[None]:
    """The first ctrl-C or SIGTERM ends after the batch in flight, the second at once."""

    def stop(number: int, _frame: object) -> None:
        signal.signal(number, signal.default_int_handler)
        render.say("stopping after this batch; once more stops at once")
        ingest.stop()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _tell(path: bytes, found: Synced) -> int:
    if found.offline:
        render.say(f"{render.shown(path)} is offline: {found.offline}. Its photos stay searchable.")
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
    render.say(f"{render.shown(path)}: {found.seen} photos, {', '.join(figures) or 'nothing changed'}")
    render.say_all(found.problems[:SHOWN_PROBLEMS])
    if len(found.problems) > SHOWN_PROBLEMS:
        render.say(f"... and {len(found.problems) - SHOWN_PROBLEMS} more; `imgret status` lists them all")
    return len(found.problems)


def _tell_missing(here: Session, index: Index) -> None:
    """Say once in plain words what is missing; again only when it changes."""
    from imgret.describe.loading import missing

    sentences = missing(here.settings, here.places)
    told = "\n".join(sentences.values())
    if told and index.setting("told missing") != told:
        render.say_all(sentences.values())
        render.say(
            "Photos are indexed without them; run `imgret models pull`, then `imgret index` fills them in."
        )
    if (index.setting("told missing") or "") != told:
        index.remember("told missing", told or None)


def _tell_waiting(holder: str) -> None:
    render.say(f"waiting for {holder}, which is indexing")


def _handed_over(here: Session, wanted: list[bytes]) -> bool:
    """Let the daemon do it, if one serves this index; follow it until it is done."""
    from imgret.cli.link import daemon_index

    return daemon_index(here, wanted)
