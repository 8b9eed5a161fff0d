"""Places of coordinates, and coordinates of names, by the real data of GeoNames."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgret.geography import areas, gazetteer
from imgret.geography.gazetteer import Gazetteer, Place, on_sphere
from imgret.geography.local_names import LocalNames, folded
from imgret.stages.place import STAGE, names, written
from imgret.store.positions import distance_km

DEGREES = st.tuples(st.floats(-90, 90), st.floats(-180, 180))


@pytest.fixture(scope="module")
def world() -> Gazetteer:
    path = gazetteer.data_path()
    assert path is not None
    return gazetteer.loaded(path)


@pytest.mark.parametrize(
    ("position", "found"),
    [
        ((41.89, 12.49), "Rome, Lazio, Italy"),
        ((44.135, 9.684), "Vernazza, Liguria, Italy"),
        ((48.137, 11.575), "Munich, Bavaria, Germany"),
        ((40.709, -74.003), "Financial District, New York City, New York, United States"),
        ((35.66, 139.7), "Sakuragaokachō, Tokyo, Japan"),
        ((-33.8568, 151.2153), "The Rocks, Sydney, New South Wales, Australia"),
    ],
)
def test_places_that_people_know(world: Gazetteer, position: tuple[float, float], found: str) -> None:
    (place,) = world.places([position])
    assert place is not None
    assert written(STAGE.json(place)["place"]) == found


def test_a_place_across_the_line_of_180_degrees_is_near(world: Gazetteer) -> None:
    east, west = world.places([(-16.8, 179.999), (-16.8, -179.999)])
    assert east == west
    assert east is not None
    assert east.country == "Fiji"


def test_local_names_are_names_of_the_place(world: Gazetteer) -> None:
    rome, tokyo, zurich = world.places([(41.89, 12.49), (35.68, 139.69), (47.37, 8.54)])
    assert rome is not None
    assert {"Roma", "Italia"} <= set(names(rome))
    assert tokyo is not None
    assert {"東京", "日本"} <= set(names(tokyo))
    assert zurich is not None
    assert {"Schweiz", "Suisse", "Svizzera"} <= set(names(zurich))


def test_regions_have_local_names(world: Gazetteer) -> None:
    florence, munich = world.places([(43.77, 11.26), (48.14, 11.58)])
    assert florence is not None
    assert {"Firenze", "Toscana"} <= set(names(florence))
    assert munich is not None
    assert {"München", "Bayern"} <= set(names(munich))


def test_areas_are_where_their_countries_are(world: Gazetteer) -> None:
    """The nearest town is in one of its countries, or another town in the area is."""
    found, towns = areas.areas(), list(world.towns)
    _, nearest = world._tree.query(on_sphere([area.circle[:2] for area in found]))
    for area, town in zip(found, nearest, strict=True):
        inside = [towns[town], *(each for each in towns if each.country_code in area.countries)]
        assert any(
            each.country_code in area.countries
            and distance_km((each.latitude, each.longitude), area.circle[:2]) <= max(area.circle.km, 170)
            for each in inside
        ), area
        assert 1 <= area.circle.km <= 800
        assert areas.named(area.names[0], area.countries[0]) == area


def test_a_region_is_that_of_the_country_that_is_meant(world: Gazetteer) -> None:
    for within, code in (("Netherlands", "NL"), ("belgique", "BE")):
        towns = world.region("Limburg", within) or world.region("Flanders", within)
        assert {town.country_code for town in towns} == {code}
    assert world.region("", "") == world.region("no such region") == []
    assert world.is_country("Deutschland")
    assert not world.is_country("rome")


def test_far_from_all_towns_there_is_no_place(world: Gazetteer) -> None:
    assert world.places([(30, -40), (89.9, 0), (0, -120)]) == [None, None, None]
    (desert,) = world.places([(23.5, 10.5)])  # the Sahara: a country at most, no town
    assert desert is None or desert.city == ""
    assert world.places([]) == []


def test_the_nearest_town_is_nearest_on_the_sphere(world: Gazetteer) -> None:
    """Far in the north a degree of longitude is short: a search in degrees returns another town."""
    position = (69.65, 18.96)
    (place,) = world.places([position])
    nearest = min(world.towns, key=lambda town: distance_km(position, (town.latitude, town.longitude)))
    assert place is not None
    assert place.city == nearest.city


@settings(max_examples=60, deadline=None)
@given(st.lists(DEGREES, max_size=5))
def test_every_position_has_a_place_or_none(world: Gazetteer, positions: list[tuple[float, float]]) -> None:
    found = world.places(positions)
    assert len(found) == len(positions)
    assert [world.places([position])[0] for position in positions] == found  # not by its neighbours
    for place in found:
        assert place is None or (
            place.country and all(names(place)) and len(set(names(place))) == len(names(place))
        )


@given(DEGREES, DEGREES)
def test_chords_are_distances(one: tuple[float, float], other: tuple[float, float]) -> None:
    first, second = on_sphere([one, other])
    chord = math.dist(first, second)
    km = 2 * gazetteer.EARTH_KM * math.asin(min(1.0, chord / 2))
    assert km == pytest.approx(distance_km(one, other), abs=0.3)


@pytest.mark.parametrize(
    ("name", "within", "country"),
    [
        ("rome", "", "IT"),
        ("ROMA", "", "IT"),
        ("Rome", "Georgia", "US"),
        ("paris", "us", "US"),
        ("東京", "", "JP"),
        ("München", "", "DE"),
        ("firenze", "", "IT"),  # what it is called in other languages
        ("Geneva", "", "CH"),  # larger than Geneva in Illinois
        ("Geneva", "Illinois", "US"),
        ("Breslau", "", "PL"),
        ("sao paulo", "brasil", "BR"),
        ("", "", None),
        ("atlantis on the moon", "", None),
    ],
)
def test_towns_by_name_the_largest_first(
    world: Gazetteer, name: str, within: str, country: str | None
) -> None:
    found = world.named(name, within)
    assert (found[0].town.country_code if found else None) == country
    named = [match.town.population for match in found if folded(match.town.city) == folded(name)]
    assert named == sorted(named, reverse=True)


def test_every_country_of_the_data_has_a_name(world: Gazetteer) -> None:
    known = LocalNames()
    codes = {town.country_code for town in world.towns}
    assert {code for code in codes if known.country(code) == code} == set()


@given(st.text())
def test_names_are_folded_once(name: str) -> None:
    assert folded(folded(name)) == folded(name)


def test_the_stage_gives_tags_rows_and_reasons() -> None:
    place = Place("DE", "Germany", "State of Berlin", "Tiergarten", "Berlin", ("Deutschland",))
    tags = [tag.label for tag in STAGE.tags(place)]
    assert tags == ["Tiergarten", "Berlin", "State of Berlin", "Germany", "Deutschland"]
    shown = STAGE.json(place)
    assert STAGE.rows(shown) == [("place", "Tiergarten, Berlin, State of Berlin, Germany")]
    for word in ("berlin", "state", "GERMANY", "deutschland"):
        assert STAGE.why(shown, word, lambda *_: ()) == [
            "place: Tiergarten, Berlin, State of Berlin, Germany"
        ]
    assert STAGE.why(shown, "lin", lambda *_: ()) == STAGE.why(shown, "!", lambda *_: ()) == []
    nowhere = STAGE.json(None)
    assert nowhere == {"place": None}
    assert (STAGE.tags(None), STAGE.rows(nowhere), STAGE.why(nowhere, "berlin", lambda *_: ())) == (
        [],
        [],
        [],
    )
