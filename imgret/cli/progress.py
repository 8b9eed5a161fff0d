"""Progress on stderr: a live bar on a terminal, nothing in a pipe."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

NARROW, WIDE = (
    60,
    90,
)  # columns of a terminal from which there is room for the bar, and for the note beside it


class Advance(Protocol):
    """Tell the bar how far it is; `note` is a few words beside it."""

    def __call__(self, done: int, total: int | None = None, note: str = "") -> None:
        """Set the bar; a `total` of None leaves it as it was."""
        ...


@contextmanager
def bar(title: str, total: int | None = None) -> Iterator[Advance]:
    """A progress bar while the block runs. rich is imported only where it is seen."""
    if not sys.stderr.isatty():
        yield _unseen
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        ProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    columns: list[ProgressColumn] = [
        TextColumn("{task.description}", markup=False),
        TextColumn("{task.fields[count]}", markup=False),
    ]
    if console.width >= NARROW:
        columns[1:1] = [BarColumn()]
        columns += [TimeElapsedColumn()]
    columns += [TimeRemainingColumn()]
    if console.width >= WIDE:
        columns += [TextColumn("{task.fields[note]}", markup=False)]
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(title, total=total, count="", note="")

        def advance(done: int, total: int | None = None, note: str = "") -> None:
            count = f"{done}/{total}" if total else str(done or "")
            progress.update(task, completed=done, total=total, count=count, note=note)

        yield advance


def _unseen(done: int, total: int | None = None, note: str = "") -> None:
    """Where nobody looks, nothing is drawn."""
    del done, total, note
