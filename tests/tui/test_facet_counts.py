"""What the photos of a query have in common."""

import itertools

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imgret.photo import Hit
from imgret_tui.facet_counts import facets_of

KINDS = ["place", "person", "keyword", "album", "object", "topic", "year"]
LABELS = st.lists(st.sampled_from(["a", "b", "two words"]), max_size=3)


def hit(objects: list[str], topics: list[str], people: list[str], city: str | None, year: int | None) -> Hit:
    shown = {
        "objects": dict.fromkeys(objects, 1),
        "topics": topics,
        "metadata": {"people": people},
        "place": {"city": city},
    }
    taken_at = None if year is None else (year - 1970) * 31_557_600 + 8_640_000
    return Hit(1, 1, b"/p.jpg", 1.0, None, "fair", shown, None, taken_at, None, None, online=True, why=())


HITS = st.builds(
    hit,
    LABELS,
    LABELS,
    LABELS,
    st.none() | st.sampled_from(["Rome", "Oslo"]),
    st.none() | st.integers(1971, 2030),
)


@settings(suppress_health_check=[HealthCheck.too_slow])  # on a busy machine
@given(st.lists(HITS, min_size=1, max_size=12))
def test_facets_are_in_the_order_of_the_page_and_count_photos(hits: list[Hit]) -> None:
    facets = facets_of(hits)
    kinds = [kind for kind, _ in itertools.groupby(facet.kind for facet in facets)]
    assert kinds == sorted(kinds, key=KINDS.index)
    assert len(set(kinds)) == len(kinds)
    for facet in facets:
        assert 0 < facet.count < len(hits)
        if facet.kind == "object":
            assert facet.count == sum(facet.label in hit.objects for hit in hits)
    for _, group in itertools.groupby(facets, key=lambda facet: facet.kind):
        counts = [facet.count for facet in group]
        assert counts == sorted(counts, reverse=True)
