"""Distances on the earth, taken as a sphere: which positions can be near a point, and how they are compared in SQL.

A store selects rows by the bounds in degrees, which an index serves, and then compares exactly. Both need only functions
that SQLite and PostgreSQL have. The formula is the haversine: hav(d / R) = hav(dlat) + cos(lat1) cos(lat2) hav(dlon).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from imgret.geography.gazetteer import EARTH_KM

_MARGIN = 1e-9  # degrees, for rounding

_CONDITION = (
    "latitude BETWEEN ? AND ? AND (longitude BETWEEN ? AND ? OR longitude BETWEEN ? AND ?)"
    " AND power(sin(radians(latitude - ?) / 2), 2)"
    " + ? * cos(radians(latitude)) * power(sin(radians(longitude - ?) / 2), 2) <= ?"
)


class Bounds(NamedTuple):
    """Ranges in degrees that contain everything within a distance; two of longitude, for one across 180 degrees."""

    south: float
    north: float
    longitudes: tuple[tuple[float, float], tuple[float, float]]


def bounds(latitude: float, longitude: float, km: float) -> Bounds:
    """Return the bounds of all points at most `km` from a point."""
    angle = km / EARTH_KM
    if angle >= math.pi:
        return Bounds(-90, 90, ((-180, 180), (-180, 180)))
    degrees = math.degrees(angle) + _MARGIN
    south, north = max(-90.0, latitude - degrees), min(90.0, latitude + degrees)
    if south == -90 or north == 90:  # a pole is inside, and with it all longitudes
        return Bounds(south, north, ((-180, 180), (-180, 180)))
    spread = math.sin(angle) / math.cos(math.radians(latitude))
    half = math.degrees(math.asin(min(1.0, spread))) + _MARGIN
    west, east = longitude - half, longitude + half
    whole = (max(-180.0, west), min(180.0, east))
    if west < -180:
        return Bounds(south, north, (whole, (west + 360, 180)))
    if east > 180:
        return Bounds(south, north, (whole, (-180, east - 360)))
    return Bounds(south, north, (whole, whole))


def within(circles: Sequence[tuple[float, float, float]]) -> tuple[str, list[float]]:
    """Return an SQL condition with its values: in one of the circles, each (latitude, longitude, km)."""
    values = [value for circle in circles for value in _values(*circle)]
    return f"({' OR '.join([f'({_CONDITION})'] * len(circles))})", values


def _values(latitude: float, longitude: float, km: float) -> list[float]:
    box = bounds(latitude, longitude, km)
    return [
        *(box.south, box.north, *box.longitudes[0], *box.longitudes[1]),
        *(latitude, math.cos(math.radians(latitude)), longitude, _haversine(min(km / EARTH_KM, math.pi))),
    ]


def distance_km(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Return the distance of two (latitude, longitude) in degrees."""
    first, second = math.radians(one[0]), math.radians(other[0])
    east = _haversine(math.radians(one[1] - other[1]))
    share = _haversine(first - second) + math.cos(first) * math.cos(second) * east
    return 2 * EARTH_KM * math.asin(math.sqrt(min(1.0, max(0.0, share))))


def _haversine(angle: float) -> float:
    return math.sin(angle / 2) ** 2
