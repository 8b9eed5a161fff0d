"""The user's own keywords and rating of a photo. The index keeps them beside those of the file."""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from msgspec import Struct

from imgret import inputs, stage_results
from imgret.errors import UsageError
from imgret.photo import Metadata, Tag
from imgret.stages.metadata import NAME as METADATA
from imgret.stages.metadata import stars_of
from imgret.store.interface import Store

KEYWORD, RATING = "keyword", "rating"
MOST_STARS = 5
LONGEST_TAG = 200  # characters
MOST_TAGS = 500  # of one photo at once


class OwnTags(Struct, frozen=True):
    """What the user and the file say about one photo."""

    content_hash: bytes | None  # the BLAKE3 of the photo
    keywords: tuple[str, ...]  # the user's own
    stars: int | None  # the user's own rating
    file_keywords: tuple[str, ...]
    file_stars: int | None


def own_tags(store: Store, content: int) -> OwnTags:
    """Return the tags of a content."""
    written = stage_results.payloads(store, content).get(METADATA) or Metadata()
    return OwnTags(
        store.contents.hash_of(content),
        tuple(own_keywords(store, content)),
        own_stars(store, content),
        written.keywords,
        written.rating,
    )


def in_common(tags: Sequence[OwnTags]) -> OwnTags:
    """Return what the tags of one or more photos have in common; those of the file and the hash for one photo only."""
    first, *others = tags
    if not others:
        return first
    labels = [{label.casefold() for label in other.keywords} for other in others]
    keywords = tuple(label for label in first.keywords if all(label.casefold() in each for each in labels))
    same_stars = all(other.stars == first.stars for other in others)
    return OwnTags(None, keywords, first.stars if same_stars else None, (), None)


def own_keywords(store: Store, content: int) -> list[str]:
    """Return the user's own keywords of a content, in alphabetical order."""
    return [tag.label for tag in store.results.imported_tags(content) if tag.kind == KEYWORD]


def own_stars(store: Store, content: int) -> int | None:
    """Return the user's own rating of a content, 1 to 5."""
    return stars_of(store.results.imported_tags(content))


def change_keywords(
    store: Store, content: int, add: Collection[str], drop: Collection[str] = ()
) -> list[str]:
    """Add and drop the user's own keywords of a content, in one durable transaction.

    Returns those of `drop` that the user had not given it. Raises UsageError for a keyword that is empty or too long.
    """
    added, dropped = ([Tag(KEYWORD, label) for label in checked(labels)] for labels in (add, drop))
    with store.writing(durable=True):
        there = {label.casefold() for label in own_keywords(store, content)}
        store.results.import_tags(content, added, dropped)
    return [tag.label for tag in dropped if tag.label.casefold() not in there]


def rate(store: Store, content: int, stars: int) -> None:
    """Give a content 1 to 5 stars; 0 removes the user's rating, so that of the file counts again.

    Raises UsageError for another number.
    """
    if not 0 <= stars <= MOST_STARS:
        raise UsageError(f"a rating has 0 to {MOST_STARS} stars, not {stars}", "0 removes your rating.")
    with store.writing(durable=True):
        before = [tag for tag in store.results.imported_tags(content) if tag.kind == RATING]
        store.results.import_tags(content, [Tag(RATING, str(stars))] if stars else [], before)


def shown_metadata(store: Store, content: int) -> dict[str, Any] | None:
    """Return the metadata of a content with the user's own tags, as in the JSON of a hit."""
    found: dict[str, Any] | None = stage_results.shown(stage_results.described(store, content))[METADATA]
    return found


def checked(labels: Iterable[str]) -> list[str]:
    """Return tags on one line each, without what cannot be shown. Raises UsageError for one that is empty or too long."""
    found = [" ".join(inputs.clean_text(label).split()) for label in labels]
    if not all(label and len(label) <= LONGEST_TAG for label in found) or len(found) > MOST_TAGS:
        raise UsageError(
            f"a tag has 1 to {LONGEST_TAG} characters, and a photo gets at most {MOST_TAGS} at once"
        )
    return found


def written(keywords: Sequence[str]) -> str:
    """Return keywords as people write them, those with a comma in quotes: `sea, boat, "a, b"`."""
    quoted = ('"' + label.replace('"', '""') + '"' if set(label) & set(',"') else label for label in keywords)
    return ", ".join(quoted)


def parsed(text: str) -> list[str]:
    """Return the keywords of a text as `written` makes it, each once. Raises UsageError as `checked`."""
    try:
        parts = next(csv.reader([" ".join(text.split())], skipinitialspace=True), [])
    except csv.Error as error:
        raise UsageError(f"these are no keywords: {error}") from None
    labels = checked(part for part in parts if part.strip())
    once: dict[str, str] = {}
    for label in labels:
        once.setdefault(label.casefold(), label)
    return list(once.values())
