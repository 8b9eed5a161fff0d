"""The last line of the screen: the number of hits, and the status of the index and the daemon."""

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
    strong: int = 0
    marked: int = 0
    only_weak: bool = False
    searching: bool = False
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
        notice = clean(self._counts.notice)
        line = [Content(_counts_text(self._counts)), Content.styled(notice, "$muted")]
        if self._status is not None:
            line.append(_status_text(self._status))
        line.append(Content.styled("f1 help", "$muted"))
        joined = Content("  │  ").join(part for part in line if part)
        if not joined.is_same(self._line):  # it is composed every two seconds and seldom differs
            self._line = joined
            self.update(joined, layout=False)


def _counts_text(counts: HitCounts) -> str:
    parts = [f"{counts.hits} hit{'' if counts.hits == 1 else 's'}"]
    if counts.strong:
        parts.append(f"{counts.strong} strong")
    elif counts.only_weak and _NO_GOOD_MATCH not in counts.notice:
        parts.append(_NO_GOOD_MATCH)
    if counts.marked:
        parts.append(f"{counts.marked} marked")
    if counts.searching:
        parts.append("searching…")
    return " · ".join(parts)


def _status_text(status: IndexStatus) -> Content:
    parts = [f"{status.photos} photo{'' if status.photos == 1 else 's'}"]
    if status.pending:
        parts.append(f"{status.pending} to describe")
    parts.append(clean(status.daemon) or "no daemon")
    problems = []
    if status.failed:
        problems.append(f"{status.failed} failed")
    if status.offline:
        problems.append(f"{status.offline} offline")
    text = Content(" · ".join(parts))
    if not problems:
        return text
    return Content.assemble(text, " · ", (" · ".join(problems) + " (f3)", "$text-warning"))
