"""`imgret show` and `imgret note`: what is known of a photo, and what its owner says of it."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import msgspec
import typer

from imgret.cli import render
from imgret.cli.session import Session, absolute, session
from imgret.errors import Exit, IndexProblem, UsageError
from imgret.index.connection import Index
from imgret.search.render import path as path_fields
from imgret.search.render import taken
from imgret.state import PhotoState
from imgret.terminal.clean import clean


def show(
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="Photos, indexed or not.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Everything known about a photo, and why it is not found when it is not.

    Exits with 1 when one of the files is not described.
    """
    from imgret.state import DESCRIBED, OFFLINE, photo_state

    here = session()
    index = _index_if_any(here)
    fine = True
    for file in files:
        state = photo_state(index, here.settings, absolute(file))
        fine &= state.state in (DESCRIBED, OFFLINE)
        if as_json:
            render.out_line(state_line(state))
        else:
            render.out_line("\n".join(state_text(state)))
    if not fine:
        raise typer.Exit(Exit.NO_HITS)


def state_line(state: PhotoState) -> bytes:
    """The JSON of `imgret show`: a hit's keys without its score, and `state`, `reason`, `models`."""
    facts, known = state.facts, state.description
    told: dict[str, object] = {
        "v": 1,
        **path_fields(state.path),
        "state": state.state,
        "reason": state.reason,
    }
    told |= {
        "caption": known.caption,
        "objects": state.objects,
        "topics": list(known.topics or ()),
        "note": known.note,
        "taken_at": taken(facts.taken_at) if facts else None,
        "width": facts.width if facts else None,
        "height": facts.height if facts else None,
        "format": facts.format if facts else None,
        "camera": facts.camera if facts else None,
        "latitude": facts.latitude if facts else None,
        "longitude": facts.longitude if facts else None,
        "online": state.photo.online if state.photo else os.path.exists(state.path),
        "models": {stage.value: identity for stage, identity in state.models.items()},
        "waiting": [stage.value for stage in state.waiting],
        "other_paths": [path_fields(path) for path in state.other_paths],
    }
    return msgspec.json.encode(told)


def state_text(state: PhotoState) -> list[str]:
    """The same for a person: cleaned lines."""
    facts, known = state.facts, state.description
    lines = [
        f"{clean(state.path)}",
        f"  state    {state.state}" + (f": {state.reason}" if state.reason else ""),
    ]
    if known.caption is not None:
        lines.append(f"  caption  {clean(known.caption)}")
    if known.detections is not None:
        objects = ", ".join(f"{count} {label}" for label, count in state.objects.items())
        lines.append(f"  objects  {clean(objects) or 'none'}")
    if known.topics:
        lines.append(f"  topics   {clean(', '.join(known.topics))}")
    if known.note:
        lines.append(f"  note     {clean(known.note)}")
    if facts:
        lines.append(f"  picture  {facts.width} x {facts.height} {clean(facts.format)}")
        if facts.taken_at is not None:
            lines.append(f"  taken    {taken(facts.taken_at)}")
        if facts.camera:
            lines.append(f"  camera   {clean(facts.camera)}")
        if facts.latitude is not None:
            lines.append(f"  place    {facts.latitude:.5f}, {facts.longitude:.5f}")
    lines += [f"  also at  {clean(path)}" for path in state.other_paths]
    for stage, identity in sorted(state.models.items()):
        lines.append(f"  {stage.value:<8} by {clean(identity.name)} {clean(identity.revision[:19])}")
    return [clean(line) for line in lines]


def note(
    file: Annotated[str | None, typer.Argument(metavar="FILE", help="An indexed photo.")] = None,
    text: Annotated[
        str | None, typer.Argument(metavar="TEXT", help="Your words; without them the note is shown.")
    ] = None,
    edit: Annotated[bool, typer.Option("--edit", "-e", help="Write it in $VISUAL or $EDITOR.")] = False,
    clear: Annotated[bool, typer.Option("--clear", help="Take the note back.")] = False,
    import_: Annotated[
        str | None,
        typer.Option(
            "--import", metavar="JSONL", help='Many notes: {"path": ..., "note": ...} a line; - is stdin.'
        ),
    ] = None,
) -> None:
    """Say something about a photo in your own words; it is searched like the rest."""
    if sum((text is not None, edit, clear, import_ is not None)) > 1:
        raise UsageError("give one of TEXT, --edit, --clear and --import")
    here = session()
    if import_ is not None:
        from imgret.cli.notes import import_notes

        raise typer.Exit(import_notes(here, import_))
    if file is None:
        raise UsageError("which photo?", "imgret note FILE [TEXT]")
    from imgret.cli.notes import photo_content, write
    from imgret.index import results

    with here.index() as index:
        content = photo_content(index, here.settings, absolute(file))
        before = results.note(index, content)
        if not (edit or clear or text is not None):
            if before is None:
                render.say("no note")
                raise typer.Exit(Exit.NO_HITS)
            render.out_line(before if not sys.stdout.isatty() else "\n".join(map(clean, before.splitlines())))
            return
        new = _edited(before or "") if edit else (None if clear else text)
        write(here, index, [(content, new)])


def _index_if_any(here: Session) -> Index | None:
    try:
        return here.index()
    except IndexProblem:
        if os.path.exists(here.places.index):
            raise
        return None


def _edited(before: str) -> str:
    """`before` as the user's editor gives it back."""
    import shlex
    import subprocess
    import tempfile

    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    with tempfile.NamedTemporaryFile("w+", suffix=".txt", prefix="imgret-note-", encoding="utf-8") as file:
        file.write(before)
        file.flush()
        try:
            status = subprocess.run([*shlex.split(editor), file.name], check=False).returncode
        except OSError as error:
            raise UsageError(
                f"the editor {editor!r} cannot be started: {error.strerror}", "Set EDITOR."
            ) from None
        if status:
            raise UsageError(f"the editor {editor!r} ended with {status}", "The note was left as it was.")
        with open(file.name, encoding="utf-8", errors="replace") as written:  # editors replace the file
            return written.read()
