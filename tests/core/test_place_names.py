"""`[place.names]` of the settings: a name that `near:` could not find is refused with its line."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from imgret.config import parse
from imgret.errors import ConfigError, QueryError
from imgret.geography.local_names import folded
from imgret.search.near_filter import near
from imgret.stages.place import PlaceSettings
from imgret.store.clauses import Near


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("hut,10km", "would be read as coordinates or a radius"),
        ("hut, 0km", "would be read as coordinates or a radius"),
        ("44.1,9.7", "would be read as coordinates or a radius"),
        ("200 300", "would be read as coordinates or a radius"),
        ("1,2,hut", "would be read as coordinates or a radius"),
        ("", "has no letter or digit"),
        ("?!", "has no letter or digit"),
        (", hut", "begins with a comma"),
        ("our\\nhut", "contains a control character"),
        ("hut\\u0007", "contains a control character"),
    ],
)
def test_a_name_that_cannot_be_found_is_refused_with_its_line(name: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason) as refused:
        parse(f'\n[place.names]\n"{name}" = "44.1, 9.7"\n', "the.toml")
    assert str(refused.value).startswith("the.toml, line 3: place.names: the name ")


def test_two_names_that_are_the_same_to_a_query_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"line 3: .*'Our Hut' and 'our-hut' are the same to `near:`"):
        parse('[place.names]\n"Our Hut" = "1, 2"\n"our-hut" = "3, 4"\n')


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('[place]\nnames.hut = "1, 2"\nnames."a.b" = "x"', 3),
        ('[place.names]\nhut = "1, 2"\n"a = b" = "x"\n', 3),
        ("[place.names] # mine\n'a.b' = 'x' # = y\n", 2),
        ('[ "place" . names ]\nhut = "1, 2"\n\nx = "x"', 4),
        ('[place]\nnames = { hut = "x" }', 2),
        ('place.names.hut = "x"', 1),
    ],
)
def test_a_wrong_entry_is_named_with_its_line(text: str, line: int) -> None:
    with pytest.raises(ConfigError, match=rf"x\.toml, line {line}: place\.names: .* is no point"):
        parse(text, "x.toml")


NAMES = st.text(min_size=1, max_size=12) | st.text("hut,0159 .km-", max_size=12)


@given(NAMES)
@example("Hut, Alps")
@example("44")
@example("5km")
def test_each_name_is_found_or_refused(name: str) -> None:
    try:
        own = PlaceSettings(names={name: "1, 2.5"}).names
    except ValueError:
        if folded(name) and name.isprintable():
            with contextlib.suppress(QueryError):
                assert near(name, 0, {name: "1, 2.5"}) != Near(1, 2.5, 20)
    else:
        assert near(name, 0, own) == Near(1, 2.5, 20)
