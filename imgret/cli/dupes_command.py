"""`imgret dupes`: the photos of the index in groups of copies. Nothing is deleted."""

from __future__ import annotations

import math
import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from imgret import disk_calls, inputs
from imgret.cli import console
from imgret.cli.session import folders, session
from imgret.errors import Exit, UsageError

if TYPE_CHECKING:
    from imgret.search.duplicates import Group, Library
    from imgret.store.interface import Store

LEAST = 0.8  # similarity; below it, different photos are similar
DEFAULT = 0.88  # `looks.COPY`
MANY = 200_000  # photos, from which on a message announces that comparing takes minutes


def dupes(
    folder: Annotated[
        str | None, typer.Argument(metavar="FOLDER", help="Only photos in and below it.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line for each group.")] = False,
    nul: Annotated[
        bool, typer.Option("--print0", "-0", help="Paths ended by NUL; another NUL ends each group.")
    ] = False,
    exact: Annotated[bool, typer.Option("--exact", help="Only equal bytes or pixels.")] = False,
    bursts: Annotated[
        bool, typer.Option("--bursts", help="Also shots of one scene by one camera within seconds.")
    ] = False,
    min_similarity: Annotated[
        float,
        typer.Option("--min-similarity", metavar="0.8..1", help="How similar near-duplicates are at least."),
    ] = DEFAULT,
) -> None:
    """List copies and near-duplicates, the best first. Deletes nothing.

    Finds equal files, and re-encoded, resized, turned or slightly cropped copies. The best copy is a raw file, or has most
    pixels, metadata and notes. On a terminal, a line has dimensions, size, date, name and folder; into a pipe, paths are
    printed. An empty line ends each group. Files that cannot be decoded come last. Exits with 1 if there are no copies.
    """
    if as_json and nul:
        raise UsageError("give --json or --print0, not both")
    if exact and bursts:
        raise UsageError("give --exact or --bursts, not both")
    if math.isnan(min_similarity) or not LEAST <= min_similarity <= 1:
        raise UsageError(
            f"--min-similarity {min_similarity:g}: a similarity is between {LEAST} and 1",
            "Higher finds fewer and more similar copies.",
        )
    from imgret.search.duplicates import Library

    with session().index() as store:
        library = Library(store, _indexed_folder(store, folder) if folder is not None else None)
        _announce(library, exact=exact)
        groups = photos = spare = 0
        for group in library.groups(exact=exact, bursts=bursts, least=min_similarity):
            groups += 1
            photos += len(group.copies)
            spare += sum(copy.size for copy in group.copies[1:])
            _write(groups, group, as_json=as_json, nul=nul)
    if not groups:
        console.message("no copies were found")
        raise typer.Exit(Exit.NO_HITS)
    console.flush()
    console.message(
        f"{console.counted(groups, 'group')}, {console.counted(photos, 'photo')};"
        f" all but the best of each group take {console.bytes_text(spare)}"
    )


def _indexed_folder(store: Store, given: str) -> bytes:
    """Return the folder, resolved. Its disk may be offline. Raises UsageError if the index has nothing of it."""
    if not given:
        folders([given])  # raises for a wrong folder
    path = disk_calls.resolved(os.path.abspath(inputs.path_bytes(given)))
    below = path.rstrip(b"/") + b"/"
    if store.roots.enclosing(path) is None and not any(
        root.path.startswith(below) for root in store.roots.all()
    ):
        folders([given])
        raise UsageError(f"{given} is not in the index", f"Run `imgret index {given}` first.")
    return path


def _announce(library: Library, *, exact: bool) -> None:
    if library.undecoded:
        console.message(
            f"{console.counted(library.undecoded, 'photo')} not decoded: only equal files are found among them"
        )
    if library.coarse and not exact:
        console.message(
            f"{console.counted(library.coarse, 'photo')} indexed by an earlier version: compared more coarsely,"
            " until they are decoded again"
        )
    if library.photos >= MANY and not exact and sys.stderr.isatty():
        console.message(f"comparing {library.photos} photos; this takes minutes")


def _write(number: int, group: Group, *, as_json: bool, nul: bool) -> None:
    from imgret.cli.duplicate_lines import json_line, text_lines

    if as_json:
        console.out_line(json_line(number, group))
    elif nul:
        console.out(b"".join(copy.path + b"\0" for copy in group.copies) + b"\0")
    elif sys.stdout.isatty():
        console.out_line("\n".join(text_lines(group)) + "\n")
    else:
        console.out(b"".join(copy.path + b"\n" for copy in group.copies) + b"\n")
