"""Queries that overtake each other, and hits on a screen of any size: the parts without a screen."""

from hypothesis import given
from hypothesis import strategies as st
from textual.geometry import Size

from imgret_tui.hit_layout import HitLayout
from imgret_tui.query_tracker import DeferredAction, QueryTracker

layouts = st.builds(
    HitLayout,
    area=st.builds(Size, st.integers(0, 200), st.integers(0, 80)),
    count=st.integers(0, 500),
    is_grid=st.booleans(),
)


def test_only_results_of_the_newest_query_count_and_final_ones_once() -> None:
    tracker = QueryTracker("red")
    assert not tracker.is_finished
    first = tracker.start("red", None, 50)
    second = tracker.start("red boat", None, 50)
    assert not tracker.accepts(first.number)
    assert tracker.accepts(second.number)
    tracker.record_results(final=False)
    assert (tracker.has_results, tracker.is_finished) == (True, False)
    tracker.record_results(final=True)
    assert tracker.is_finished
    assert not tracker.accepts(second.number)
    assert tracker.has_all(49)
    assert not tracker.has_all(50)


def test_a_deferred_action_ends_with_its_query() -> None:
    tracker = QueryTracker("")
    tracker.start("red", None, 50)
    tracker.deferred.add(DeferredAction.CHOOSE)
    tracker.start("blue", None, 50)
    assert not tracker.deferred
    tracker.record_error()
    assert tracker.is_finished
    assert not tracker.has_results


def test_a_search_by_words_comes_first_only_for_new_texts() -> None:
    tracker = QueryTracker("")
    assert tracker.start("red", None, 50).has_words_stage
    assert not tracker.start("red", None, 200, skip_words=True).has_words_stage
    assert not tracker.start("", b"/photos/a.jpg", 50).has_words_stage


@given(layouts)
def test_every_hit_is_found_again_at_its_cells(layout: HitLayout) -> None:
    for position in range(min(layout.count, 60)):
        region = layout.region(position)
        assert layout.position_at(region.x, region.y) == position
        assert layout.position_at(region.right - 1, region.bottom - 1) == position
        positions, row = layout.line(region.bottom - 1)
        assert position in positions
        assert row == region.height - 1
        assert region.bottom <= layout.height


@given(layouts, st.integers(0, 2000))
def test_visible_hits_are_those_that_touch_the_area(layout: HitLayout, scroll_y: int) -> None:
    visible = layout.visible(scroll_y)
    for position in range(layout.count):
        region = layout.region(position)
        touches = region.y < scroll_y + layout.area.height and region.bottom > scroll_y
        assert (position in visible) == touches or not layout.area.height
