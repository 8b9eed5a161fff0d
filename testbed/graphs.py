"""Draw the graphs of the documents from the tables in benchmarks/NOTES.md: `make reference`.

The files are SVG without scripts or fonts of their own. Their colours follow the reader's light or dark mode.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
NOTES = ROOT / "benchmarks" / "NOTES.md"
WIDTH, LABELS, LINE, BAR = 760, 310, 26, 16  # pixels: of the drawing, of the labels, of a row, of a bar
_NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")


class Graph(NamedTuple):
    """Which figures of NOTES.md a graph shows: the last one of each row of a table, or all of one row."""

    name: str  # of the file in docs/
    title: str
    heading: str  # of the section of NOTES.md
    first_cell: str  # of the table's head, or of the row
    unit: str
    is_row: bool = False  # the figures of one row, with the head of the table as labels


GRAPHS = (
    Graph(
        "graph-describe.svg",
        "Describing a photo on two cores",
        "Exact models, machine D",
        "ms per photo",
        "ms",
        is_row=True,
    ),
    Graph("graph-disk.svg", "Size of an installation, without CUDA", "Footprint", "installation", "MB"),
    Graph(
        "graph-memory.svg",
        "Memory while describing, without weights and CUDA",
        "Footprint",
        "process after one photo, tiny models",
        "MB",
    ),
)


def figures(graph: Graph, notes: str) -> list[tuple[str, float]]:
    """Return the labels and values of a graph. Raises ValueError if NOTES.md has no such table."""
    section = re.split(rf"^#+ {re.escape(graph.heading)}$", notes, maxsplit=1, flags=re.MULTILINE)
    if len(section) == 2:
        for table in _tables(re.split(r"^#", section[1], maxsplit=1, flags=re.MULTILINE)[0]):
            if graph.is_row and (row := next((row for row in table if row[0] == graph.first_cell), None)):
                pairs = zip(table[0][1:], row[1:], strict=True)
                return [(label, _number(cell)) for label, cell in pairs if _NUMBER.search(cell)]
            if table[0][0] == graph.first_cell:
                filled = [(row[0], [cell for cell in row[1:] if _NUMBER.search(cell)]) for row in table[1:]]
                return [(label, _number(cells[-1])) for label, cells in filled if cells]
    raise ValueError(f"benchmarks/NOTES.md has no table {graph.first_cell} in the section {graph.heading}")


def drawn(graph: Graph, rows: list[tuple[str, float]]) -> str:
    """Return the SVG: one bar for each row, as long as its value."""
    greatest = max(value for _, value in rows)
    room = WIDTH - LABELS - 90
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {44 + LINE * len(rows)}" role="img">',
        f"<title>{html.escape(graph.title)}</title>",
        "<style>text{font:14px sans-serif;fill:#24292f}rect{fill:#4a7dbd}.head{font-weight:bold}"
        "@media(prefers-color-scheme:dark){text{fill:#d0d7de}rect{fill:#6ea0dd}}</style>",
        f'<text class="head" x="0" y="18">{html.escape(graph.title)}</text>',
    ]
    for number, (label, value) in enumerate(rows):
        top = 36 + LINE * number
        width = max(1, round(room * value / greatest))
        lines += [
            f'<text x="{LABELS - 8}" y="{top + BAR - 3}" text-anchor="end">{html.escape(label)}</text>',
            f'<rect x="{LABELS}" y="{top}" width="{width}" height="{BAR}" rx="2"/>',
            f'<text x="{LABELS + width + 8}" y="{top + BAR - 3}">{value:,.10g} {graph.unit}</text>',
        ]
    return "\n".join([*lines, "</svg>"]) + "\n"


def _tables(text: str) -> Iterator[list[list[str]]]:
    """Yield the tables of a Markdown text: rows of cells, without the line below the head."""
    for block in re.findall(r"(?:^\|.*\|\n)+", text, re.MULTILINE):
        rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in block.splitlines()]
        yield [row for row in rows if set(row[0]) != {"-"}]


def _number(cell: str) -> float:
    found = _NUMBER.search(cell)
    assert found is not None
    return float(found[0].replace(",", ""))


def main() -> None:
    """Write all files."""
    notes = NOTES.read_text(encoding="utf-8")
    for graph in GRAPHS:
        (ROOT / "docs" / graph.name).write_text(drawn(graph, figures(graph, notes)), encoding="utf-8")


if __name__ == "__main__":
    main()
