"""The rules that both stores share, as pure functions."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from imgret.photo import Tag
from imgret.stages import registry
from imgret.store import policy, row_values

TAGS = st.lists(
    st.builds(
        Tag, st.sampled_from(["keyword", "person"]), st.sampled_from(["", "Rome", "rome", "Été", "sea"])
    )
)


def keys(tags: list[Tag]) -> set[tuple[str, str]]:
    return {(tag.kind, tag.label.casefold()) for tag in tags if tag.label}


@given(TAGS, TAGS, TAGS)
def test_changes_of_tags_lead_to_the_wanted_tags(there: list[Tag], add: list[Tag], drop: list[Tag]) -> None:
    there = list({(tag.kind, tag.label.casefold()): tag for tag in there if tag.label}.values())
    old, new = row_values.tag_changes(there, add, drop)
    assert set(old) <= set(there)
    assert set(new) <= set(add)
    left = keys([tag for tag in there if tag not in old]) | keys(new)
    assert left == keys(there) - keys(drop) | keys(add)
    assert keys(new).isdisjoint(keys(there))


@given(st.sets(st.sampled_from(registry.own().names)), st.sets(st.sampled_from(registry.own().names)))
def test_results_of_the_file_and_its_position_are_not_copied(source: set[str], target: set[str]) -> None:
    copied = row_values.copied_stages(source, target)
    assert copied == source - target - {"metadata", "place"}


@given(st.integers(0, 10))
def test_a_failure_is_set_aside_after_the_last_attempt(attempts: int) -> None:
    found = row_values.failure(b"/a.jpg", "caption", "no", attempts, 7)
    assert found.set_aside == (attempts >= policy.MAX_ATTEMPTS)


def test_words_of_names_and_labels() -> None:
    rows = [(b"/photos", b"Rome", b"IMG_1.jpg"), (b"/photos", b"Rome", b"sea.jpg")]
    words = row_values.name_words(rows).split()
    assert len(words) == len(set(words))
    assert {"Rome", "sea"} <= set(words)
    assert row_values.label_words([("traffic_light",), ("dog",)]) == "traffic light dog"
