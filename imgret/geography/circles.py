"""Circles on the earth as people write them: `44.13, 9.71, 5km`. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple

RADIUS_KM = 20.0  # where none is given
_MOST_KM = 20_100.0  # half the way around the earth
_RADIUS = re.compile(r"([+-]?\d+(?:\.\d+)?)\s*(km|m|mi)", re.IGNORECASE)
_KM = {"km": 1.0, "m": 0.001, "mi": 1.609344}
_POINT = re.compile(r"([+-]?\d+(?:\.\d+)?)\s*[,\s]\s*([+-]?\d+(?:\.\d+)?)")


class Circle(NamedTuple):
    """A point in degrees, north and east positive, and a radius."""

    latitude: float
    longitude: float
    km: float


class CircleError(ValueError):
    """The text is no circle."""

    def __init__(self, message: str, advice: str) -> None:
        super().__init__(message)
        self.advice = advice


def split(text: str) -> tuple[str, float | None]:
    """Return what stands before the radius, and the radius in km; None if there is none. Raises CircleError."""
    before, comma, last = (part.strip() for part in text.rpartition(","))
    radius = _RADIUS.fullmatch(last)
    if not radius or not comma:
        if _POINT.fullmatch(before):
            raise CircleError(f"{last[:60]!r} is no radius", "Write 5km, 500m or 3mi behind the point.")
        return text.strip(), None
    km = float(radius[1]) * _KM[radius[2].lower()]
    if not 0 < km <= _MOST_KM:
        raise CircleError(f"a radius of {km:g} km", f"It is above 0, and at most {_MOST_KM:g} km.")
    return before, km


def point(text: str) -> tuple[float, float] | None:
    """Return the latitude and longitude that a text consists of; None if it has another form. Raises CircleError."""
    match = _POINT.fullmatch(text)
    if match is None:
        return None
    latitude, longitude = float(match[1]), float(match[2])
    if abs(latitude) <= 90 and abs(longitude) <= 180:
        return latitude, longitude
    swapped = abs(latitude) <= 180 and abs(longitude) <= 90
    advice = (
        f"The latitude comes first: {longitude:g},{latitude:g}."
        if swapped
        else "A latitude is between -90 and 90, a longitude between -180 and 180."
    )
    raise CircleError(f"{latitude:g},{longitude:g} is no point on the earth", advice)


def circle(text: str) -> Circle:
    """Return the circle that a text describes. Raises CircleError."""
    where, km = split(text)
    centre = point(where)
    if centre is None:
        raise CircleError(f"{text[:60]!r} is no point", 'Write "44.13, 9.71, 5km".')
    return Circle(*centre, RADIUS_KM if km is None else km)
