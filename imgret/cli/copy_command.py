"""`imgret copy-index`: copy the index to another place, from a file to a PostgreSQL server or back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Annotated

import typer

from imgret.cli import console
from imgret.cli.progress import bar
from imgret.errors import ReadOnly, UsageError


def copy_index(
    source: Annotated[str, typer.Argument(metavar="FROM", help="A file, or the address of a database.")],
    target: Annotated[
        str, typer.Argument(metavar="TO", help="A new file, or the address of a database without an index.")
    ],
    discard: Annotated[
        bool, typer.Option("--discard", help="Remove an unfinished copy at TO, and copy nothing.")
    ] = False,
) -> None:
    """Copy an index from a file to a PostgreSQL server, or back.

    Everything is copied, with notes, failures and vectors, and compared with the original. A copy that was
    interrupted continues when the command is run again; `--discard` removes it.
    """
    from imgret import column_filling
    from imgret.places import index_place
    from imgret.store import copying
    from imgret.store.factory import discard as discard_copy
    from imgret.store.factory import open_store, writer_lock

    places = index_place(source), index_place(target)
    if places[0] == places[1]:
        raise UsageError("both places are the same", "Name another place.")
    if discard:
        with writer_lock(places[1]):
            discard_copy(places[1])
        console.message(f"the unfinished copy at {target} was removed")
        return
    with (
        _locked(places[0]),
        open_store(places[0], create=False) as one,
        writer_lock(places[1]),
        open_store(places[1], unfinished=True) as other,
    ):
        with bar("Copying") as advance:
            copying.copy(one, other, advance)
        with bar("Making the tables for searches"):
            column_filling.rebuild(other)
            other.vectors.rebuild()
        copying.finish(other)
    console.message(f"the index was copied to {target}")


@contextmanager
def _locked(place: str) -> Iterator[None]:
    """Let nobody index into the source. On a disk that cannot be written, nobody does."""
    from imgret.store.factory import writer_lock

    with ExitStack() as held:
        with suppress(ReadOnly):
            held.enter_context(writer_lock(place))
        yield
