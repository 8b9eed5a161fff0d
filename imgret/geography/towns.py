"""The towns of a file as columns: a Python object for each of the 150,000 would take ten times the memory."""

from __future__ import annotations

import gzip
import zlib
from array import array
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, overload

import msgspec
import numpy as np

from imgret.geography.local_names import folded
from imgret.geography.packed_texts import PackedTexts

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Town(msgspec.Struct, frozen=True, gc=False):
    """A town as the data has it. Degrees, north and east positive."""

    city: str
    country_code: str
    latitude: float
    longitude: float
    population: int = 0
    state: str = ""
    county: str = ""


class _Names(NamedTuple):
    """Hashes of folded names in ascending order, and at which position each name is."""

    hashes: NDArray[np.int64]
    at: NDArray[np.int64]


class Towns(Sequence[Town]):
    """All towns of a file, in its order. Each `Town` is made when it is asked for."""

    def __init__(self, path: str) -> None:
        """Read the compressed JSON in the file `path`. Raises OSError or ValueError."""
        try:
            with gzip.open(path) as file:
                text = file.read()
        except (EOFError, zlib.error) as error:
            raise ValueError(f"{path} is damaged: {error}") from None
        rows = msgspec.json.decode(text, type=list[msgspec.Raw])
        degrees, population, areas = array("d"), array("q"), array("i")
        names: dict[str, int] = {}
        one = msgspec.json.Decoder(Town)

        def cities() -> Iterator[str]:
            for row in rows:
                town = one.decode(row)
                degrees.extend((town.latitude, town.longitude))
                population.append(town.population)
                for name in (town.country_code, town.state, town.county):
                    areas.append(names.setdefault(name, len(names)))
                yield town.city

        self._cities = PackedTexts(cities())
        self._areas = PackedTexts(names)  # names of countries (their codes), regions and counties, each once
        self.positions = np.array(degrees, np.float64).reshape(-1, 2)  # latitude, longitude
        self.population = np.array(population, np.int64)
        self._area = np.array(areas, np.int32).reshape(-1, 3)  # of each town, positions in `_areas`

    def __len__(self) -> int:
        return len(self._cities)

    @overload
    def __getitem__(self, at: int) -> Town: ...
    @overload
    def __getitem__(self, at: slice) -> list[Town]: ...

    def __getitem__(self, at: int | slice) -> Town | list[Town]:
        if isinstance(at, slice):
            return [self[each] for each in range(*at.indices(len(self)))]
        at = range(len(self))[at]
        code, state, county = (self._areas[int(area)] for area in self._area[at])
        latitude, longitude = self.positions[at].tolist()
        return Town(self._cities[at], code, latitude, longitude, int(self.population[at]), state, county)

    def country_codes(self) -> set[str]:
        """Return the codes of all countries."""
        return {self._areas[int(code)] for code in np.unique(self._area[:, 0])}

    def called(self, name: str) -> list[Town]:
        """Return the towns with this name, `folded`."""
        return [self[at] for at in _found(self._city_names, self._cities, name)]

    def regions(self, name: str) -> list[list[Town]]:
        """Return the towns of each region and of each county with this name, `folded`; none for an empty one."""
        meant = _found(self._area_names, self._areas, name) if name else []
        groups: dict[tuple[int, ...], list[Town]] = {}
        for column in (1, 2):
            for at in np.flatnonzero(np.isin(self._area[:, column], meant)).tolist():
                groups.setdefault(tuple(self._area[at, : column + 1].tolist()), []).append(self[at])
        return list(groups.values())

    @cached_property
    def _city_names(self) -> _Names:
        return _by_name(self._cities)

    @cached_property
    def _area_names(self) -> _Names:
        return _by_name(self._areas)


def _by_name(texts: PackedTexts) -> _Names:
    hashes = np.fromiter((hash(folded(text)) for text in texts), np.int64, len(texts))
    order = np.argsort(hashes, kind="stable")
    return _Names(hashes[order], order)


def _found(names: _Names, texts: PackedTexts, name: str) -> list[int]:
    """Return the positions of the texts that are `name` when they are folded, in ascending order."""
    first, last = (int(np.searchsorted(names.hashes, hash(name), side)) for side in ("left", "right"))
    return [at for at in names.at[first:last].tolist() if folded(texts[at]) == name]
