"""Names of countries and large cities in the languages of their countries: `Deutschland`, `Roma`, `東京`."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache


class LocalNames:
    """The table `local_names.tsv`."""

    def __init__(self) -> None:
        """Read the table."""
        from importlib import resources

        self._countries: dict[str, str] = {}
        self._local: dict[tuple[str, str], tuple[str, ...]] = {}
        self._english: dict[str, list[tuple[str, str]]] = defaultdict(list)
        text = resources.files("imgret.geography").joinpath("local_names.tsv").read_text(encoding="utf-8")
        for line in text.splitlines():
            if not line.startswith("#"):
                code, english, local = line.split("\t")
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


@lru_cache(8192)  # libraries have few places, and many photos of each
def folded(name: str) -> str:
    """Return a name without case, accents, punctuation and spaces: `São-Paulo` -> `saopaulo`."""
    return "".join(each for each in unicodedata.normalize("NFKD", name).casefold() if each.isalnum())
