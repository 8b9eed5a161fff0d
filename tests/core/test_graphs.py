"""The graphs of the documents show the figures of benchmarks/NOTES.md, and every document's graph is one of them."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.graphs import GRAPHS, NOTES, ROOT, Graph, drawn, figures


@pytest.mark.parametrize("graph", GRAPHS, ids=lambda graph: graph.name)
def test_a_graph_is_in_step_with_the_notes(graph: Graph) -> None:
    shown = (ROOT / "docs" / graph.name).read_text(encoding="utf-8")
    assert shown == drawn(graph, figures(graph, NOTES.read_text(encoding="utf-8"))), "run `make reference`"


def test_every_graph_is_shown_in_a_document() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    shown = {
        name for page in pages for name in re.findall(r"graph-\w+\.svg", page.read_text(encoding="utf-8"))
    }
    assert shown == {graph.name for graph in GRAPHS}


def test_figures_of_a_column_and_of_a_row() -> None:
    notes = "## A\n\n| x | p | q |\n| --- | --- | --- |\n| a | 1,200 MB | 3 |\n| b | 2.5 | |\n| c | | |\n\n## B\n| x | 9 |\n"
    assert figures(Graph("", "", "A", "x", ""), notes) == [("a", 3.0), ("b", 2.5)]
    assert figures(Graph("", "", "A", "a", "", is_row=True), notes) == [("p", 1200.0), ("q", 3.0)]
    with pytest.raises(ValueError, match="no table y in the section A"):
        figures(Graph("", "", "A", "y", ""), notes)


@given(
    st.lists(
        st.tuples(st.text(st.characters(categories=["L", "P", "S", "N"])), st.floats(0.01, 1e6)), min_size=1
    )
)
def test_bars_are_as_long_as_their_values(rows: list[tuple[str, float]]) -> None:
    image = ElementTree.fromstring(drawn(Graph("", "a <b> & c", "", "", "ms"), rows))
    bars = [int(bar.attrib["width"]) for bar in image.iter("{http://www.w3.org/2000/svg}rect")]
    assert len(bars) == len(rows)
    for (_, one), (_, other), first, second in zip(rows, rows[1:], bars, bars[1:], strict=False):
        assert (one >= other) <= (first >= second)
