"""What a library has, counted: photos by year, place, camera, object, topic and keyword."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from imgret.store.interface import Store

MOST = 10  # rows of a section, except years
# Title, and the kind of tag that is counted.
_TAGS = (("objects", "object"), ("topics", "topic"), ("keywords", "keyword"), ("people", "person"))


def library_stats(store: Store, most: int = MOST) -> dict[str, list[tuple[str, int]]]:
    """Return title -> (value, number of photos), most first, years ascending. Copies are counted once."""
    sections = {"years": [(str(year), count) for year, count in store.facets.photos_by_year()]}
    sections["places"] = _places(store)[:most]
    sections["cameras"] = store.facets.photos_by_camera(most)
    kinds = store.facets.kinds()
    for title, kind in _TAGS:
        sections[title] = store.facets.photos_by_label(kind, most) if kind in kinds else []
    return sections


def _places(store: Store) -> list[tuple[str, int]]:
    from imgret.stages.place import STAGE, written

    found = [
        (written(msgspec.structs.asdict(place)), count)
        for payload, count in store.facets.payloads(STAGE.name)
        if (place := STAGE.decode(payload)) is not None
    ]
    return sorted(found, key=lambda row: (-row[1], row[0]))
