"""The last line: how many hits, and what the daemon does now."""

from __future__ import annotations

from textual.content import Content
from textual.widgets import Static

from imgret.terminal.clean import clean
from imgret_tui.library import State

_POOR = "nothing matches well"


class StatusLine(Static):
    """One line, made anew from what is known."""

    def __init__(self) -> None:
        super().__init__("", id="status", markup=False)
        self._state: State | None = None
        self._hits = self._remark = ""
        self._line = Content("")

    def show_hits(
        self, shown: int, strong: int, marked: int, remark: str, *, poor: bool, searching: bool
    ) -> None:
        """Say how the search stands."""
        parts = [f"{shown} hit{'' if shown == 1 else 's'}"]
        if strong:
            parts.append(f"{strong} strong")
        elif poor and _POOR not in remark:
            parts.append(_POOR)
        if marked:
            parts.append(f"{marked} marked")
        if searching:
            parts.append("searching…")
        self._hits = " · ".join(parts)
        self._remark = clean(remark)
        self._write()

    def show_state(self, state: State) -> None:
        """Say how the library stands."""
        self._state = state
        self._write()

    def _write(self) -> None:
        # What is said of this answer, as why it is empty, comes before what a narrow terminal cuts off.
        line = [Content(self._hits), Content.styled(self._remark, "$muted")]
        if self._state is not None:
            line.append(_described(self._state))
        line.append(Content.styled("f1 help", "$muted"))
        joined = Content("  │  ").join(part for part in line if part)
        if not joined.is_same(self._line):  # it is asked for every other second, and seldom news
            self._line = joined
            self.update(joined, layout=False)


def _described(state: State) -> Content:
    calm = [f"{state.photos} photo{'' if state.photos == 1 else 's'}"]
    if state.pending:
        calm.append(f"{state.pending} to describe")
    calm.append(clean(state.daemon) or "no daemon")
    troubles = []
    if state.failed:
        troubles.append(f"{state.failed} failed")
    if state.offline:
        troubles.append(f"{state.offline} offline")
    text = Content(" · ".join(calm))
    if not troubles:
        return text
    return Content.assemble(text, " · ", (" · ".join(troubles) + " (f3)", "$text-warning"))
