"""Copies of a group side by side: all of the terminal is used, and all of them are seen."""

from hypothesis import given
from hypothesis import strategies as st
from textual.geometry import Size

from imgret_tui.copies_layout import TEXT_ROWS, CopiesLayout

layouts = st.builds(
    CopiesLayout,
    st.builds(Size, st.integers(1, 300), st.integers(1, 90)),
    st.integers(1, 200),
    st.just(True),
    st.just(TEXT_ROWS),
    st.floats(1, 4),
)


@given(layouts)
def test_every_copy_is_found_again_at_its_cells(layout: CopiesLayout) -> None:
    for position in range(layout.count):
        region = layout.region(position)
        assert layout.position_at(region.x, region.y) == position
        assert region.right <= max(2, layout.area.width)
        image = layout.thumbnail_region(position)
        assert (image.width, image.height) >= (1, 1)
        assert layout.line(region.y)[1] == 0


@given(layouts)
def test_all_are_seen_without_scrolling_where_there_is_room(layout: CopiesLayout) -> None:
    rows = -(-layout.count // max(1, layout.area.width // 22))
    if layout.area.height >= rows * (TEXT_ROWS + 6):
        assert layout.height <= layout.area.height


def test_a_wide_terminal_is_used() -> None:
    sizes = {
        count: CopiesLayout(Size(230, 52), count, is_grid=True, text_rows=TEXT_ROWS).thumbnail
        for count in (1, 2, 3, 4, 6)
    }
    assert [tuple(size) for size in sizes.values()] == [(229, 49), (114, 43), (75, 29), (114, 23), (75, 23)]
    assert CopiesLayout(Size(80, 21), 3, is_grid=True, text_rows=TEXT_ROWS).columns == 3
