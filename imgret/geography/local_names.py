"""Names of countries and large cities in the languages of their countries: `Deutschland`, `Roma`, `東京`."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import lru_cache


class LocalNames:
    """The table `local_names.tsv`."""

    def __init__(self) -> None:
        """Read the table."""
        self._countries: dict[str, str] = {}
        self._local: dict[tuple[str, str], tuple[str, ...]] = {}
        self._english: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for code, english, local in rows_of("local_names.tsv"):
            names = tuple(local.split(";")) if local else ()
            self._countries.setdefault(code, english)
            self._local[code, folded(english)] = names
            for name in names:
                self._english[folded(name)].append((code, english))

    def country(self, code: str) -> str:
        """Return the English name of a country; the code itself if it is not known."""
        return self._countries.get(code, code)

    def of(self, country_code: str, english: str) -> tuple[str, ...]:
        """Return the other names of a country or of a city in it; empty if there are none or none are known."""
        return self._local.get((country_code, folded(english)), ())

    def english(self, wanted: str) -> Sequence[tuple[str, str]]:
        """Return (country code, English name) of what has this local name, `folded`."""
        return self._english.get(wanted, ())


def rows_of(table: str) -> Iterator[list[str]]:
    """Return the fields of each row of a table of this package."""
    from importlib import resources

    text = resources.files("imgret.geography").joinpath(table).read_text(encoding="utf-8")
    return (line.split("\t") for line in text.splitlines() if not line.startswith("#"))


# Letters that Unicode does not take apart.
_PLAIN = str.maketrans(
    {"ł": "l", "ø": "o", "đ": "d", "ð": "d", "ħ": "h", "ı": "i", "æ": "ae", "œ": "oe", "þ": "th"}
)


@lru_cache(8192)  # libraries have few places, and many photos of each
def folded(name: str) -> str:
    """Return a name without case, accents, punctuation and spaces: `São-Paulo` -> `saopaulo`, `Łódź` -> `lodz`."""
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", name).casefold()).translate(_PLAIN)
    return "".join(each for each in plain if each.isalnum())
