"""`imgret sidecars`: write results into XMP sidecars, and remove them again."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from imgret.cli import console
from imgret.cli.boundary import users_umask
from imgret.cli.session import absolute, folders, session
from imgret.errors import Exit, UsageError
from imgret.store.paths import relative

if TYPE_CHECKING:
    from imgret.sidecars.library_sidecars import Outcome, Target
    from imgret.store.interface import Store

MOST_PROBLEMS = 100  # that are printed

sidecars_app = typer.Typer(
    no_args_is_help=True, help="Write captions, counts, notes and text into XMP sidecars."
)

_Folders = Annotated[
    list[str] | None, typer.Argument(metavar="[FOLDER...]", help="Only photos below these; all by default.")
]
_To = Annotated[
    str | None,
    typer.Option("--to", metavar="DIR", help="The sidecars are in this folder, not beside the photos."),
]
_DryRun = Annotated[
    bool, typer.Option("--dry-run", "-n", help="Print the sidecars that would change, and change none.")
]


@sidecars_app.command("write")
def write(
    files: _Folders = None,
    captions: Annotated[bool, typer.Option("--captions", help="Write captions.")] = False,
    counts: Annotated[bool, typer.Option("--counts", help="Write objects and their counts.")] = False,
    notes: Annotated[bool, typer.Option("--notes", help="Write your notes.")] = False,
    ocr: Annotated[bool, typer.Option("--ocr", help="Write the text in the photos.")] = False,
    to: _To = None,
    dry_run: _DryRun = False,
) -> None:
    """Write captions, labels and notes into the XMP sidecars of photos. Photos are not changed.

    Without --captions, --counts, --notes or --ocr, all four are written. What others wrote into a sidecar stays. Exits
    with 1 if a sidecar could not be written.
    """
    from imgret.sidecars import library_sidecars
    from imgret.sidecars.merge_own import CAPTIONS, COUNTS, KINDS, NOTES, OCR

    chosen = {CAPTIONS: captions, COUNTS: counts, NOTES: notes, OCR: ocr}
    kinds = [kind for kind in KINDS if chosen[kind]] or list(KINDS)
    here = session()
    with here.index() as store:
        wanted, target = _target(store, files, to, dry_run)
        outcome = library_sidecars.write_sidecars(store, wanted, kinds, target, _printer(dry_run))
    _report(outcome, dry_run)


@sidecars_app.command("remove")
def remove(files: _Folders = None, to: _To = None, dry_run: _DryRun = False) -> None:
    """Remove from XMP sidecars what imgret wrote.

    Nothing else is changed. Sidecars that imgret created are deleted if nothing else is in them.
    """
    from imgret.sidecars import library_sidecars

    here = session()
    with here.index() as store:
        wanted, target = _target(store, files, to, dry_run)
        outcome = library_sidecars.remove_sidecars(store, wanted, target, _printer(dry_run))
    _report(outcome, dry_run)


def _target(
    store: Store, files: list[str] | None, to: str | None, dry_run: bool
) -> tuple[list[bytes], Target]:
    """Return the folders of the command line and where their sidecars are. Raises UsageError."""
    from imgret.sidecars.library_sidecars import Target

    roots = [root.path for root in store.roots.all()]
    wanted = folders(files) if files else roots
    for path in wanted:
        if not any(_overlap(path, root) for root in roots):
            raise UsageError(f"{console.shown(path)} is not in the index", "Run `imgret index` on it first.")
    mirror = absolute(to) if to is not None else None
    if mirror is not None:
        names = [os.path.basename(root) for root in roots if any(_overlap(root, path) for path in wanted)]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise UsageError(
                f"two folders are called {console.shown(twice)}, so their sidecars would mix in --to",
                "Name one folder at a time, each with a --to of its own.",
            )
    return wanted, Target(users_umask(), mirror, dry_run)


def _overlap(one: bytes, two: bytes) -> bool:
    return relative(one, two) is not None or relative(two, one) is not None


def _printer(dry_run: bool) -> Callable[[bytes], None]:
    return console.out_path if dry_run else lambda _: None


def _report(outcome: Outcome, dry_run: bool) -> None:
    console.flush()
    console.messages(outcome.problems[:MOST_PROBLEMS])
    if len(outcome.problems) > MOST_PROBLEMS:
        console.message(f"... and {len(outcome.problems) - MOST_PROBLEMS} more")
    would = "would be " if dry_run else ""
    figures = [
        f"{count} {word}"
        for count, word in (
            (outcome.written, f"{would}written"),
            (outcome.deleted, f"{would}deleted"),
            (outcome.unchanged, "up to date"),
            (outcome.left, "left as they are"),
        )
        if count
    ]
    console.message(f"sidecars: {', '.join(figures) or 'nothing to do'}")
    if outcome.problems:
        raise typer.Exit(Exit.NO_HITS)
