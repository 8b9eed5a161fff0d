"""What people and programs wrote into a photo and its sidecars: title, description, keywords, people, rating, credits.

The decoder reads it (`decode.read_metadata`), so there is no model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from imgret.photo import Metadata as Written
from imgret.photo import Tag
from imgret.stages.interface import FILE, LabelMatcher, Stage, StageSettings, TextColumn

NAME = "metadata"
PROBLEM, UNREADABLE = "problem", "metadata"  # the tag of a photo whose metadata could not be read completely
REJECTED = "rejected"  # the label of the tag of a photo with the rating -1
# The date, the position and the note of a photo are shown beside its metadata.
_UNSHOWN = ("taken", "position", "faces", "note")


class MetadataSettings(StageSettings, frozen=True):
    """`[metadata]`."""

    mtime_dates: bool = False  # whether a photo that nothing else dates gets the time of its file


class Metadata(Stage):
    """The metadata stage."""

    name = NAME
    inputs = (FILE,)
    tier = 0
    settings = MetadataSettings
    version = "3"
    from_decoder = True
    payload = Written
    noun = "metadata"
    columns = (TextColumn("title", 1.5), TextColumn("description"), TextColumn("credit", 0.5))
    kinds = ("keyword", "person", "album", "label", "rating", PROBLEM)

    def texts(self, payload: Written) -> dict[str, str]:
        """Return the title, the description, and in `credit` creators, copyright and places."""
        credit = [*payload.creator, payload.copyright or "", *payload.location]
        return {
            "title": payload.title or "",
            "description": payload.description or "",
            "credit": "\n".join(filter(None, credit)),
        }

    def tags(self, payload: Written) -> list[Tag]:
        """Return keywords (each level of hierarchical ones), people, albums, colour label, rating, and a tag for problems."""
        levels = [level for path in payload.paths for level in path.split("|")]
        named = {"keyword": [*payload.keywords, *levels], "person": payload.people, "album": payload.albums}
        found = {(kind, name.casefold()): Tag(kind, name) for kind, all_ in named.items() for name in all_}
        tags = list(found.values())
        if payload.label:
            tags.append(Tag("label", payload.label))
        if payload.rating:
            label = str(payload.rating) if payload.rating > 0 else REJECTED
            tags.append(Tag("rating", label))
        if payload.problems:
            tags.append(Tag(PROBLEM, UNREADABLE))
        return tags

    def json(self, payload: Written | None) -> dict[str, Any]:
        """Return `metadata`: the fields that are there; null without any."""
        fields = msgspec.to_builtins(payload) if payload is not None else {}
        return {NAME: {key: value for key, value in fields.items() if key not in _UNSHOWN} or None}

    def rows(self, shown: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Return a row for each field."""
        found = shown[NAME] or {}
        rating = found.get("rating")
        stars = REJECTED if rating == -1 else "★" * rating if rating else ""
        rows = [
            ("title", found.get("title", "")),
            ("about", found.get("description", "")),
            ("tags", ", ".join(found.get("keywords", ()))),
            ("people", ", ".join(found.get("people", ()))),
            ("albums", ", ".join(found.get("albums", ()))),
            ("rating", " ".join(filter(None, (stars, found.get("label"))))),
            ("by", ", ".join(filter(None, (*found.get("creator", ()), found.get("copyright"))))),
            ("where", ", ".join(found.get("location", ()))),
            *(("unread", problem) for problem in found.get("problems", ())),
        ]
        return [(label, text) for label, text in rows if text]

    def why(self, shown: Mapping[str, Any], word: str, matching: LabelMatcher) -> list[str]:
        """Return the keywords and the people that a word matches."""
        found, wanted = shown[NAME] or {}, word.casefold()
        reasons: list[str] = []
        for kind, names in (("keyword", found.get("keywords", ())), ("person", found.get("people", ()))):
            matched = set(matching(word, names))
            reasons += [
                f"{kind} {name}" for name in names if name in matched or wanted in name.casefold().split()
            ]
        return reasons


STAGE = Metadata()
IMPORTED_KINDS = {"keyword": "keywords", "person": "people", "album": "albums"}  # kind -> field


def with_tags(payload: Written, tags: Sequence[Tag]) -> Written:
    """Return metadata with more keywords, people and albums, and with the user's own rating in place of the file's."""
    fields: dict[str, Any] = {}
    for kind, field in IMPORTED_KINDS.items():
        names = [*getattr(payload, field), *(tag.label for tag in tags if tag.kind == kind)]
        once: dict[str, str] = {}
        for name in names:
            once.setdefault(name.casefold(), name)
        fields[field] = tuple(once.values())
    stars = stars_of(tags)
    if stars is not None:
        fields["rating"] = stars
    return msgspec.structs.replace(payload, **fields)


def stars_of(tags: Sequence[Tag]) -> int | None:
    """Return the stars of the user's own tags, 1 to 5; None without a rating."""
    return next((int(tag.label) for tag in tags if tag.kind == "rating" and tag.label.isdecimal()), None)
