"""What the photos of a query have in common: objects, places, topics, people, keywords, albums and years."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from imgret.photo import Hit
from imgret_tui.hit_lines import date_text
from imgret_tui.search_backend import Facet

MOST_HITS = 1_000  # that are counted
_SHOWN = 8  # of each kind
_METADATA = {"person": "people", "keyword": "keywords", "album": "albums"}  # kind -> key
_KINDS = ("place", *_METADATA, "object", "topic", "year")  # in the order of the page


def facets_of(hits: Sequence[Hit]) -> tuple[Facet, ...]:
    """The commonest labels of each kind, with the number of hits that have them.

    What all hits have narrows nothing down, so it is left out. Where there are better hits, weak ones do not count.
    """
    matching = [hit for hit in hits if hit.strength != "weak"] or hits
    counts: dict[str, Counter[str]] = {}
    for hit in matching:
        for kind, label in set(_labels(hit)):
            counts.setdefault(kind, Counter())[label] += 1
    return tuple(
        Facet(kind, label, count, _filter(kind, label))
        for kind in _KINDS
        for label, count in sorted(counts.get(kind, {}).items(), key=lambda item: (-item[1], item[0]))[
            :_SHOWN
        ]
        if count < len(matching)
    )


def _labels(hit: Hit) -> Iterator[tuple[str, str]]:
    """(kind, label) of all that the hit has, some perhaps twice."""
    place = hit.shown.get("place") or {}
    for key in ("country", "region", "city"):
        if place.get(key):
            yield "place", str(place[key])
    metadata = hit.shown.get("metadata") or {}
    for kind, key in _METADATA.items():
        for label in metadata.get(key) or ():
            yield kind, str(label)
    for label in hit.objects:
        yield "object", label
    for label in hit.shown.get("topics") or ():
        yield "topic", str(label)
    if year := date_text(hit.taken_at, "year"):
        yield "year", year


def _filter(kind: str, label: str) -> str:
    if kind == "year":
        return f"after:{label}-01-01 before:{int(label) + 1}-01-01"
    quoted = label.replace('"', " ")
    return f'{kind}:"{quoted}"' if not quoted.isalnum() else f"{kind}:{quoted}"
