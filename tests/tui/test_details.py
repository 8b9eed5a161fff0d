"""What the picker writes where a photo has no caption."""

import pytest

from imgret.photo import Hit
from imgret_tui.library import Details
from imgret_tui.widgets.details import described

HIT = Hit(1, 1, b"/a.jpg", 1.0, None, "strong", None, {}, (), None, None, None, None, True, ())


@pytest.mark.parametrize(
    ("known", "line"),
    [
        (None, ""),  # not looked up yet
        (Details(awaits_caption=True), "not described yet"),
        (Details(), "no caption"),  # described, without a captioner
        (Details(state="pending", reason="waiting for embed"), "no caption"),
    ],
)
def test_only_a_caption_that_is_to_come_is_awaited(known, line):
    assert described(HIT, known, "dog")[0].plain == line
