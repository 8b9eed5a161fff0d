"""Progress bars on stderr; shown only if stderr is a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

NARROW, WIDE = 60, 90  # least terminal columns for the bar, and for the note beside it


class Advance(Protocol):
    """Updates a progress bar; `note` is a short text next to it."""

    def __call__(self, done: int, total: int | None = None, note: str = "") -> None:
        """Set the progress. A `total` of None leaves the total unchanged."""
        ...


@contextmanager
def bar(title: str, total: int | None = None) -> Iterator[Advance]:
    """Show a progress bar while the block runs. rich is imported only if the bar is visible."""
    if not sys.stderr.isatty():
        yield _ignore
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


def _ignore(done: int, total: int | None = None, note: str = "") -> None:
    """Show nothing."""
    del done, total, note
