"""What a library has, counted: photos by year, place, camera, object, topic and keyword."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from imgret.geography.gazetteer import Place
    from imgret.store.interface import Store

MOST = 10  # rows of a section, except years
# Title, and the kind of tag that is counted.
_TAGS = (("objects", "object"), ("topics", "topic"), ("keywords", "keyword"), ("people", "person"))


def library_stats(store: Store, most: int = MOST) -> dict[str, list[tuple[str, int]]]:
    """Return title -> (value, number of photos), most first, years ascending. Copies are counted once."""
    sections = {"years": [(str(year), count) for year, count in store.facets.photos_by_year()]}
    sections["places"] = [(place_text(place), photos) for place, photos in counted_places(store)[:most]]
    sections["cameras"] = store.facets.photos_by_camera(most)
    kinds = store.facets.kinds()
    for title, kind in _TAGS:
        sections[title] = store.facets.photos_by_label(kind, most) if kind in kinds else []
    return sections


def counted_places(store: Store) -> list[tuple[Place, int]]:
    """Return the places where photos were taken, each with the number of photos, most first. Copies are counted once."""
    from imgret.stages.place import STAGE

    decoded = ((STAGE.decode(payload), photos) for payload, photos in store.facets.payloads(STAGE.name))
    return sorted(
        ((place, photos) for place, photos in decoded if place is not None),
        key=lambda row: (-row[1], msgspec.structs.astuple(row[0])),
    )


def place_text(place: Place) -> str:
    """Return a place as people write it."""
    from imgret.stages.place import written

    return written(msgspec.structs.asdict(place))
