"""`near:`, and the distances that it compares."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgret.errors import QueryError
from imgret.geography.circles import RADIUS_KM, circle
from imgret.search.near_filter import near
from imgret.store.clauses import Around, Near
from imgret.store.positions import bounds, distance_km

DEGREES = st.tuples(st.floats(-90, 90), st.floats(-180, 180))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("44.13,9.71,5km", Near(44.13, 9.71, 5)),
        ("44.13, 9.71", Near(44.13, 9.71, RADIUS_KM)),
        ("-33.8568 151.2153 , 500 m", Near(-33.8568, 151.2153, 0.5)),
        ("+1,-2,10MI", Near(1, -2, 16.09344)),
        ("0,0,1km", Near(0, 0, 1)),
    ],
)
def test_points(text: str, expected: Near) -> None:
    assert near(text, 0) == expected


@pytest.mark.parametrize(
    ("text", "latitude", "km"),
    [("rome", 41.9, RADIUS_KM), ("Roma, italia, 5km", 41.9, 5), ("rome,georgia", 34.3, RADIUS_KM)],
)
def test_towns(text: str, latitude: float, km: float) -> None:
    found = near(text, 0)
    assert found.latitude == pytest.approx(latitude, abs=0.1)
    assert found.km == km


@pytest.mark.parametrize(
    "text", ["Cinque Terre", "cinque-terre", "CINQUE TERRE, Italia", "5 terre", "Cinque Terre, 8km"]
)
def test_areas(text: str) -> None:
    found = near(text, 0)
    assert isinstance(found, Near)
    assert distance_km((found.latitude, found.longitude), (44.13501, 9.68346)) < 5  # Vernazza
    assert found.km == (8 if "8km" in text else 10)


@pytest.mark.parametrize("text", ["liguria", "LIGURIA, 30km", "Provincia di La Spezia, Italia"])
def test_regions_are_around_their_towns_and_nothing_else(text: str) -> None:
    found = near(text, 0)
    assert isinstance(found, Around)
    assert 2 < len(found.circles) <= 100

    def has(*position: float) -> bool:
        return any(
            distance_km((each.latitude, each.longitude), position) <= each.km for each in found.circles
        )

    assert has(44.10, 9.74)  # Riomaggiore
    assert has(43.79, 7.61) == text.lower().startswith("liguria")  # Ventimiglia, at the other end
    assert not has(45.46, 9.19)  # Milan
    assert not has(43.72, 10.40)  # Pisa


@pytest.mark.parametrize(
    ("one", "other"),
    [
        *(("Wrocław", "wroclaw"), ("Genève", "geneva"), ("München", "munich"), ("Toscana", "tuscany")),
        *(("Köln", "koln"), ("Łódź", "LODZ"), ("Firenze", "florence"), ("Malmö", "malmo")),
    ],
)
def test_accents_and_languages_make_no_difference(one: str, other: str) -> None:
    first, second = near(one, 0), near(other, 0)
    if isinstance(first, Around) and isinstance(second, Around):
        assert first.circles == second.circles
    else:
        assert first == second


def test_names_of_the_settings_come_first() -> None:
    own = {"Our Hut": "46.55, 7.98, 2km", "Rome": "1, 2"}
    assert near("our-hut", 0, own) == Near(46.55, 7.98, 2)
    assert near("Our hut, 300m", 0, own) == Near(46.55, 7.98, 0.3)
    assert near("rome", 0, own) == Near(1, 2, RADIUS_KM)
    assert near("Rome, Italy", 0, own) != near("rome", 0, own)


@given(st.floats(-90, 90), st.floats(-180, 180), st.integers(1, 20_000))
def test_a_circle_is_read_as_it_is_written(latitude: float, longitude: float, km: int) -> None:
    text = f"{latitude:.6f}, {longitude:.6f}, {km}km"
    assert circle(text) == pytest.approx((latitude, longitude, km), abs=1e-6)
    assert near(text, 0) == Near(*circle(text))


@pytest.mark.parametrize(
    ("text", "message", "advice"),
    [
        ("", "near: needs a place", "near:rome"),
        (",5km", "near: needs a place", "near:rome"),
        ("9.71,144.13", None, None),  # a point in the Pacific
        ("144.13,9.71", "near: 144.13,9.71 is no point on the earth", "9.71,144.13"),
        ("200,300", "is no point on the earth", "between -90 and 90"),
        ("44,9,0km", "a radius of 0 km", "above 0"),
        ("44,9,99999km", "a radius of 99999 km", "at most"),
        ("44,9,-5km", "near: a radius of -5 km", "above 0"),
        ("rome,-500m", "near: a radius of -0.5 km", "above 0"),
        ("44,9,5", "near: '5' is no radius", "5km"),
        ("44 9, 5 miles", "near: '5 miles' is no radius", "5km"),
        ("44,9,", "near: '' is no radius", "5km"),
        ("nan,9.7", "finds no place that is called nan,9.7", "coordinates"),
        ("our hut", "finds no place that is called our hut", 'names."our hut" ='),
        ("italy", "italy is a country", 'place:"italy"'),
        ("x" * 300, "finds no place", "coordinates"),
    ],
)
def test_what_is_refused(text: str, message: str | None, advice: str | None) -> None:
    if message is None:
        assert near(text, 0).km == RADIUS_KM
        return
    with pytest.raises(QueryError) as caught:
        near(text, 3)
    assert message in str(caught.value)
    assert advice in caught.value.advice  # type: ignore[operator]
    assert len(str(caught.value)) < 200


@given(st.text(st.sampled_from("0123456789.,+- kmi\u0660x"), max_size=25))
def test_any_text_is_a_point_or_a_sentence(text: str) -> None:
    try:
        found = near(text, 0)
    except QueryError as error:
        assert str(error)
    else:
        assert abs(found.latitude) <= 90
        assert abs(found.longitude) <= 180
        assert found.km > 0


@given(DEGREES, DEGREES, st.floats(0.001, 20_100))
def test_what_is_within_the_distance_is_within_the_bounds(
    centre: tuple[float, float], other: tuple[float, float], km: float
) -> None:
    if distance_km(centre, other) <= km:
        box = bounds(*centre, km)
        assert box.south <= other[0] <= box.north
        assert any(west <= other[1] <= east for west, east in box.longitudes)


@given(DEGREES, st.floats(0.001, 1000))
def test_bounds_are_not_much_larger_than_the_distance(centre: tuple[float, float], km: float) -> None:
    box = bounds(*centre, km)
    assert distance_km((box.north, centre[1]), centre) <= km * 1.001 + 0.001
    assert distance_km((box.south, centre[1]), centre) <= km * 1.001 + 0.001


@given(DEGREES, DEGREES, DEGREES)
def test_distances_are_a_metric(
    one: tuple[float, float], two: tuple[float, float], three: tuple[float, float]
) -> None:
    assert distance_km(one, two) == pytest.approx(distance_km(two, one), abs=1e-6)
    assert distance_km(one, one) < 1e-6
    assert distance_km(one, three) <= distance_km(one, two) + distance_km(two, three) + 1e-3


def test_a_known_distance() -> None:
    assert distance_km((48.8566, 2.3522), (51.5074, -0.1278)) == pytest.approx(
        343.6, abs=1
    )  # Paris to London
