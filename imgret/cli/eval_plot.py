"""`imgret eval --plot`: the rows of a report as bars."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgret.terminal.bars import bar_lines

if TYPE_CHECKING:
    from imgret.evaluate.saved import Report

MEASURES = ("R@1", "R@5", "MRR")  # shares of 1, of which more is better


def plotted(report: Report, width: int) -> list[str]:
    """Return lines of at most `width` cells: for each measure one bar for each recipe and ranking; a full bar is 1."""
    from imgret.evaluate.metrics import scores

    found = [(f"{run.recipe}, {run.rank}", scores(report.ranks(run))) for run in report.runs]
    lines = []
    for measure in MEASURES:
        rows = [(label, float(values[measure].value)) for label, values in found]
        lines += [measure, *bar_lines(rows, width, greatest=1.0), ""]
    return lines[:-1]
