"""The line below the query: how many hits there are, what is marked, and the state of the index and the daemon."""

from __future__ import annotations

from msgspec import Struct
from textual.content import Content
from textual.widgets import Static

from imgret.terminal.clean import clean
from imgret_tui.search_backend import IndexStatus

_NO_GOOD_MATCH = "nothing matches well"


class HitCounts(Struct, frozen=True):
    """The state of the search."""

    hits: int = 0
    total: int | None = None  # photos that pass the filters, if there are more than hits; copies are one hit
    strong: int = 0
    marked: int = 0
    only_weak: bool = False
    searching: bool = False
    folder: str = ""  # that all hits share
    notice: str = ""  # about the results


class StatusLine(Static):
    """One line, composed of the latest counts and the latest status."""

    def __init__(self) -> None:
        super().__init__("", id="status", markup=False)
        self._counts = HitCounts()
        self._status: IndexStatus | None = None
        self._line = Content("")

    def show_counts(self, counts: HitCounts) -> None:
        """Show the state of the search."""
        self._counts = counts
        self._compose_line()

    def show_status(self, status: IndexStatus) -> None:
        """Show the status of the index and the daemon."""
        self._status = status
        self._compose_line()

    def _compose_line(self) -> None:
        # A narrow terminal cuts off the end. The notice, such as why there are no hits, comes before that.
        counts = self._counts
        line = [_counts_text(counts), Content(counts.folder), Content.styled(clean(counts.notice), "$muted")]
        if self._status is not None:
            line.append(_status_text(self._status))
        joined = Content("  │  ").join(part for part in line if part)
        if not joined.is_same(self._line):  # it is composed every two seconds and seldom differs
            self._line = joined
            self.update(joined, layout=False)


def _counts_text(counts: HitCounts) -> Content:
    of = f" of about {counts.total:,}" if counts.total is not None and counts.total > counts.hits else ""
    parts = [Content(f"{counts.hits:,}{of} {'hit' if counts.hits == 1 and not of else 'hits'}")]
    if counts.strong:
        parts.append(Content.styled(f"{counts.strong} strong", "$text-success"))
    elif counts.only_weak and _NO_GOOD_MATCH not in counts.notice:
        parts.append(Content(_NO_GOOD_MATCH))
    if counts.marked:
        parts.append(Content.styled(f"✓ {counts.marked:,} marked", "bold $text-success"))
    if counts.searching:
        parts.append(Content("searching…"))
    return Content(" · ").join(parts)


def _status_text(status: IndexStatus) -> Content:
    parts = [f"{status.photos:,} photo{'' if status.photos == 1 else 's'}"]
    if status.pending:
        parts.append(f"{status.pending:,} to describe")
    parts.append(clean(status.daemon) or "no daemon")
    problems = []
    if status.failed:
        problems.append(f"{status.failed:,} failed")
    if status.offline:
        problems.append(f"{status.offline:,} offline")
    text = Content(" · ".join(parts))
    if not problems:
        return text
    return Content.assemble(text, " · ", (" · ".join(problems) + " (f3)", "$text-warning"))
