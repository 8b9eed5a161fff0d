"""Write `imgret/geography/local_names.tsv` from Unicode CLDR: `pip install babel`, then `python -m testbed.make_local_names`.

For each country, its name and those in its official languages; for the cities of time zones (Rome, Tokyo, Moscow), theirs.
"""

from __future__ import annotations

from pathlib import Path

OUT = Path(__file__).parents[1] / "imgret" / "geography" / "local_names.tsv"
MOST = 4  # languages of a country
HEADER = """\
# Country code, English name, local names. The first line of a code is the country.
# From Unicode CLDR (Unicode License v3); see testbed/make_local_names.py.
"""


def main() -> None:
    """Write the table."""
    from babel import Locale, UnknownLocaleError  # type: ignore[import-not-found]
    from babel.core import get_global  # type: ignore[import-not-found]
    from babel.languages import get_official_languages  # type: ignore[import-not-found]

    english = Locale("en")
    lines = []
    for code in sorted(code for code in english.territories if len(code) == 2 and code.isalpha()):
        locales = []
        for language in get_official_languages(code, de_facto=True)[:MOST]:
            try:
                locales.append(Locale.parse(language))
            except (UnknownLocaleError, ValueError):
                continue
        names = [locale.territories.get(code) for locale in locales]
        lines.append((code, english.territories[code], names))
        for zone in get_global("territory_zones").get(code, ()):
            plain = zone.rpartition("/")[2].replace("_", " ")
            city = english.time_zones.get(zone, {}).get("city") or plain
            lines.append((code, city, [locale.time_zones.get(zone, {}).get("city") for locale in locales]))
    with OUT.open("w", encoding="utf-8") as file:
        file.write(HEADER)
        for code, name, local in lines:
            others = dict.fromkeys(each for each in local if each and each != name)
            if others or name == english.territories[code]:
                file.write(f"{code}\t{name}\t{';'.join(others)}\n")


if __name__ == "__main__":
    main()
