"""`imgret show` and `imgret note`: show what is in the index about a photo, and read or write its note."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING, Annotated

import typer

from imgret.cli import console
from imgret.cli.session import Session, absolute, session
from imgret.errors import Exit, IndexMissing, UsageError
from imgret.terminal.clean import clean

if TYPE_CHECKING:
    from imgret.store.interface import Store


def show(
    files: Annotated[list[str], typer.Argument(metavar="FILE", help="Photos, indexed or not.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per line.")] = False,
) -> None:
    """Show everything known about a photo, or why it is not found.

    Exits with 1 if one of the files is not described.
    """
    from imgret.cli.photo_lines import state_line, state_text
    from imgret.photo_state import DESCRIBED, OFFLINE, photo_state
    from imgret.search.similar import near_duplicates

    here = session()
    all_described = True
    with _index_if_any(here) as store:
        for file in files:
            state = photo_state(store, here.settings, absolute(file))
            all_described &= state.state in (DESCRIBED, OFFLINE)
            similar = near_duplicates(store, state.photo.content) if store and state.photo else []
            if as_json:
                console.out_line(state_line(state, similar))
            else:
                console.out_line("\n".join(state_text(state, similar)))
    if not all_described:
        raise typer.Exit(Exit.NO_HITS)


def note(
    context: typer.Context,
    file: Annotated[str | None, typer.Argument(metavar="FILE", help="An indexed photo.")] = None,
    text: Annotated[
        str | None,
        typer.Argument(metavar="TEXT", help="Your note, in quotes. Without it, the note is shown."),
    ] = None,
    edit: Annotated[bool, typer.Option("--edit", "-e", help="Edit the note in $VISUAL or $EDITOR.")] = False,
    clear: Annotated[bool, typer.Option("--clear", help="Delete the note.")] = False,
    forget: Annotated[
        bool,
        typer.Option("--forget", help="Discard the note of an earlier photo at FILE."),
    ] = False,
    import_: Annotated[
        str | None,
        typer.Option(
            "--import",
            metavar="JSONL",
            help='Import notes from lines of {"path": ..., "note": ...}; - reads stdin.',
        ),
    ] = None,
) -> None:
    """Write, show or clear the note of a photo.

    A note is your own text about a photo. Searches find it like captions.
    """
    if context.args:
        raise UsageError(
            "there is more than one TEXT", 'Put the note in quotes: imgret note FILE "two words"'
        )
    if sum((text is not None, edit, clear, forget, import_ is not None)) > 1:
        raise UsageError("give only one of TEXT, --edit, --clear, --forget and --import")
    here = session()
    if import_ is not None:
        if file is not None:
            raise UsageError("--import reads the paths from its lines: omit FILE")
        from imgret.cli.note_command import import_notes

        raise typer.Exit(import_notes(here, import_))
    if file is None:
        raise UsageError("no photo is named", "Name one: imgret note FILE [TEXT]")
    from imgret import inputs
    from imgret.cli.index_report import shortened
    from imgret.cli.note_command import embed_now, photo_content
    from imgret.note_writing import write_notes

    with here.index() as store:
        if forget:
            _forget(store, file)
            return
        content = photo_content(store, here.settings, absolute(file))
        before = store.results.note(content)
        if not (edit or clear or text is not None):
            if before is None:
                console.message("no note")
                for lost in store.notes.lost_notes(absolute(file)):
                    console.message(
                        f'a photo that was replaced or deleted had the note "{shortened(lost.text)}":'
                        " `imgret note --forget FILE` discards it"
                    )
                raise typer.Exit(Exit.NO_HITS)
            console.out_line(
                before if not sys.stdout.isatty() else "\n".join(map(clean, before.splitlines()))
            )
            return
        edited: AbstractContextManager[str | None] = (
            _edited(before or "") if edit else nullcontext(None if clear else text)
        )
        with edited as new:
            after = inputs.clean_note(new or "").strip() or None
            write_notes(store, here.settings, [(content, after)])
        if after != before:
            embed_now(here, store, [content], deleted=after is None)


def _forget(store: Store, file: str) -> None:
    if not store.notes.forget_lost(absolute(file)):
        console.message(f"there is no note of an earlier photo at {file}")
        raise typer.Exit(Exit.NO_HITS)


def _index_if_any(here: Session) -> AbstractContextManager[Store | None]:
    try:
        return here.index()
    except IndexMissing:
        return nullcontext()


@contextmanager
def _edited(before: str) -> Iterator[str]:
    """Open `before` in the user's editor, and yield the edited text. If the block fails, the text stays in a file."""
    import shlex
    import subprocess
    import tempfile

    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    descriptor, name = tempfile.mkstemp(suffix=".txt", prefix="imgret-note-")
    kept = False
    try:
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(before)
        try:
            status = subprocess.run([*shlex.split(editor), name], check=False).returncode
        except (OSError, ValueError) as error:  # ValueError: a quote without its partner
            why = getattr(error, "strerror", None) or str(error)
            raise UsageError(f"the editor {editor!r} cannot be started: {why}", "Set EDITOR.") from None
        if status:
            raise UsageError(f"the editor {editor!r} exited with {status}", "The note was not changed.")
        with open(name, encoding="utf-8", errors="replace") as file:  # by its name: editors replace the file
            text = file.read()
        try:
            yield text
        except BaseException:
            kept = text != before
            if kept:
                console.message(f"the note was not saved; its text is in {name}")
            raise
    finally:
        if not kept:
            with suppress(FileNotFoundError):
                os.unlink(name)
