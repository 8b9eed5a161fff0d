"""Areas that are neither towns nor regions: mountains, coasts, islands, parks. The table `areas.tsv`."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from imgret.geography.circles import Circle
from imgret.geography.local_names import LocalNames, folded, rows_of


class Area(NamedTuple):
    """A row of the table."""

    names: tuple[str, ...]  # the English one first
    countries: tuple[str, ...]  # their codes
    circle: Circle


@lru_cache(1)
def areas() -> list[Area]:
    """Return all areas."""
    return [
        Area(tuple(names.split(";")), tuple(codes.split(",")), Circle(float(north), float(east), float(km)))
        for names, codes, north, east, km in rows_of("areas.tsv")
    ]


def named(name: str, within: str = "") -> Area | None:
    """Return the area with this name; `within` is the name or the code of a country in which it is."""
    wanted, country = folded(name), folded(within)
    found = [area for area in areas() if wanted in map(folded, area.names)]
    if country:
        names = LocalNames()
        found = [area for area in found if any(country in _country(names, code) for code in area.countries)]
    return found[0] if found else None


def _country(names: LocalNames, code: str) -> set[str]:
    english = names.country(code)
    return {folded(each) for each in (code, english, *names.of(code, english))}
