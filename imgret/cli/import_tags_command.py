"""`imgret import-tags`: the user's own tags from JSON lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from imgret import inputs
from imgret.cli import console
from imgret.cli.boundary import as_imgret_error
from imgret.cli.json_lines import PhotoLine, numbered_lines, opened, photo_line
from imgret.cli.session import absolute, session
from imgret.errors import Exit, ImgretError, UsageError

if TYPE_CHECKING:
    from imgret.config import Settings
    from imgret.photo import Tag
    from imgret.store.interface import Store

_SHOWN = 300  # characters of a message about a bad line
_SHOWN_PATH, _SHOWN_TAG = 120, 40  # characters of a path and of a tag in it
_BATCH = 500  # photos per transaction

_Import = tuple[int, list["Tag"]]  # content, tags


class _TagLine(PhotoLine, kw_only=True):
    """One line of an import."""

    tags: list[str]
    kind: str = "keyword"


def import_tags(
    source: Annotated[str, typer.Argument(metavar="FILE", help="Lines of JSON; - reads stdin.")],
    remove: Annotated[bool, typer.Option("--remove", help="Remove these tags instead.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "-n", help="Check the lines, and save nothing.")
    ] = False,
) -> None:
    """Import keywords, people or albums of photos from JSON lines.

    A line is {"path": "a.jpg", "tags": ["one", "two"], "kind": "keyword"}. The kind is keyword, person or album.
    `imgret query keyword:NAME` finds the photos. Imported tags are kept when photos are described again. Bad lines are
    reported and skipped, and the command then exits with 1.
    """
    here = session()
    bad = changed = photos = 0

    def save(batch: list[_Import]) -> None:
        nonlocal changed
        with store.writing(durable=True):
            for content, tags in batch:
                added, dropped = ([], tags) if remove else (tags, [])
                changed += store.results.import_tags(content, added, dropped)
        batch.clear()

    with here.index() as store, opened(source) as file:
        batch: list[_Import] = []
        for number, raw in numbered_lines(file):
            try:
                batch.append(_read(raw, store, here.settings))
                photos += 1
            except Exception as error:  # a bad line must not stop the import
                known = as_imgret_error(error)
                if isinstance(error, ImgretError) and not isinstance(error, UsageError):
                    raise  # the index or its disk failed: every further line would fail too
                bad += 1
                console.message(f"{source}, line {number}: {str(known)[:_SHOWN]}")
            if dry_run:
                batch.clear()
            elif len(batch) >= _BATCH:
                save(batch)
        if batch:
            save(batch)
    lines = console.counted(photos, "line")
    done = (
        f"{lines} can be imported"
        if dry_run
        else f"{lines} read, {console.counted(changed, 'photo')} changed"
    )
    console.message(done + (f", {console.counted(bad, 'line')} skipped" if bad else ""))
    if bad:
        raise typer.Exit(Exit.NO_HITS)


def _of(path: str) -> str:
    """Return as much of a path as a message can hold: its end, because that is the name."""
    shown = inputs.clean_text(path)
    return shown if len(shown) <= _SHOWN_PATH else f"…{shown[1 - _SHOWN_PATH :]}"


def _read(raw: bytes | None, store: Store, settings: Settings) -> _Import:
    """Return a line as (content, tags). Raises UsageError if it is invalid."""
    from imgret.cli.note_command import photo_content
    from imgret.own_tags import LONGEST_TAG, MOST_TAGS
    from imgret.photo import Tag
    from imgret.stages.metadata import IMPORTED_KINDS

    line, path = photo_line(raw, _TagLine, "an object with tags")
    if line.kind not in IMPORTED_KINDS:
        raise UsageError(f"the kind {line.kind[:50]} is not known: one of {', '.join(IMPORTED_KINDS)}")
    labels = [" ".join(inputs.clean_text(tag).split()) for tag in line.tags]
    if len(labels) > MOST_TAGS:
        raise UsageError(f"{_of(path)}: {len(labels)} tags; a line has at most {MOST_TAGS}")
    for number, label in enumerate(labels, 1):
        if not label:
            raise UsageError(f"{_of(path)}: tag {number} is empty")
        if len(label) > LONGEST_TAG:
            raise UsageError(
                f"{_of(path)}: tag {number} has {len(label):,} characters, at most {LONGEST_TAG} are allowed:"
                f" {label[:_SHOWN_TAG]}…"
            )
    return photo_content(store, settings, absolute(path)), [Tag(line.kind, label) for label in labels]
