"""The filters of the query language: a key and its value, or a label and a count -> a `Filter`. Pure."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Mapping
from datetime import datetime

from imgret import inputs
from imgret.errors import QueryError
from imgret.exclude import RAW_SUFFIXES
from imgret.search import dates
from imgret.search.near_filter import near
from imgret.stages.metadata import REJECTED
from imgret.store import labels
from imgret.store.clauses import (
    HAS,
    OBJECT,
    Camera,
    Containing,
    Filter,
    Format,
    Has,
    Inside,
    Named,
    Objects,
    Online,
    Rated,
    Tagged,
    Taken,
)
from imgret.store.fold import squeezed

RATING, MOST_STARS = "rating", 5
_NO_NAMES: Mapping[str, str] = {}
MOST = 1 << 31  # counts above all mean the same: more than any photo holds


# Suffixes and other names -> Pillow's names.
FORMATS = {
    **dict.fromkeys(("jpg", "jpeg", "jpe", "jfif", "jif"), "JPEG"),
    **dict.fromkeys(("heic", "heif", "heics", "heifs", "hif"), "HEIF"),
    **dict.fromkeys(("tif", "tiff"), "TIFF"),
    **{suffix.decode(): "RAW" for suffix in RAW_SUFFIXES},
    "avifs": "AVIF",
    "dib": "BMP",
}


def counted(name: str, sign: str, number: str, position: int) -> Objects | Rated:
    """The filter `name sign number`: of objects, or of stars for the name `rating`.

    Raises QueryError for what is no number, and for a number that no photo can have.
    """
    given, at = short(f"{name}{sign}{number}"), position + len(name) + len(sign)
    if not number.isdecimal():
        raise QueryError(
            f"{given}: a whole number is wanted after {sign}",
            'Write dog>=2, or put the words in "quotes" if they are meant literally.',
            at,
        )
    count = min(int(number[:12]), MOST)
    least, most = {
        ">=": (count, None),
        "≥": (count, None),
        ">": (count + 1, None),
        "<=": (0, count),
        "≤": (0, count),
        "<": (0, count - 1),
    }.get(sign, (count, count))
    if name.lower() == RATING:
        if max(count, least) > MOST_STARS or most == -1:
            raise QueryError(f"{given}: a rating is 0 to {MOST_STARS} stars", "Write rating>=4.", at)
        return Rated(least, MOST_STARS if most is None else most)
    if most == -1:
        raise QueryError(f"{given}: no number is below 0", "Write dog=0 for photos without one.", at)
    return Objects(label_name(name), least, most)


def keyed(
    key: str,
    value: str,
    now: datetime,
    position: int,
    kinds: Collection[str] = (),
    named_places: Mapping[str, str] = _NO_NAMES,
) -> Filter:
    """The filter `key:value`; `kinds` of tags are keys, too. `named_places` are those of the settings.

    Raises QueryError for an unknown key and for a value that it cannot have.
    """
    make = KEYS.get(key.lower()) or (_tagged(key.lower()) if key.lower() in kinds else None)
    if make is None:
        known = ", ".join([*KEYS, *(kind for kind in kinds if kind not in KEYS)])
        raise QueryError(f"unknown key {short(key)}:", f"Keys are {known}.", position)
    if not value.strip():
        raise no_value(f"{key}:", position)
    value = value.strip()
    if key.lower() not in ("in", "name"):  # names on a disk need not be UTF-8
        value = inputs.clean_text(value)
    if key.lower() == "has":
        others = [kind for kind in kinds if kind not in (OBJECT, "topic")]  # which have plural names in HAS
        return Has(_one_of("has", (*HAS, *others), value, position + len(key) + 1))
    if key.lower() == "near":
        return near(value, position + len(key) + 1, named_places)
    if key.lower() == RATING and value.casefold() != REJECTED:
        return _stars(value, position + len(key) + 1)
    return make(value, now, position + len(key) + 1)


def _stars(value: str, position: int) -> Rated:
    if not value.isdecimal() or int(value[:9]) > MOST_STARS:
        raise QueryError(
            f"rating:{short(value)}: a rating is 0 to {MOST_STARS} stars, or {REJECTED}",
            "Write rating:4, or rating>=4.",
            position,
        )
    return Rated(int(value[:9]), int(value[:9]))


def no_value(start: str, position: int) -> QueryError:
    """Return the error about a filter of which only the start is there: `near:`, `dog>=`."""
    return QueryError(
        f"{short(start)} wants a value",
        "Write the value directly behind it, without a space.",
        position + len(start),
    )


def _tagged(kind: str) -> Callable[[str, datetime, int], Filter]:
    if kind == OBJECT:
        return lambda value, _, __: Objects(label_name(value), 1, None)
    return lambda value, _, __: Tagged(kind, label_name(value))


def _taken(key: str) -> Callable[[str, datetime, int], Filter]:
    def make(value: str, now: datetime, position: int) -> Filter:
        span = dates.span(value, now)
        if span is None:
            raise QueryError(
                f"{key}:{short(value)} is no date", f"Write one of these: {dates.EXAMPLES}.", position
            )
        if key == "on":
            return Taken(*span)
        return Taken(span[0], None) if key == "after" else Taken(None, span[0])

    return make


def _one_of(key: str, choices: tuple[str, ...], value: str, position: int) -> str:
    for choice in choices:
        if labels.canonical(value) == labels.canonical(choice):  # `has:notes`
            return choice
    raise QueryError(f"{key}:{short(value)} is not known", f"One of {', '.join(choices)}.", position)


def _inside(value: str, _: datetime, position: int) -> Filter:
    try:
        path = os.fsencode(value)
    except UnicodeEncodeError:
        path = b"\0"
    if b"\0" in path:
        raise QueryError(
            f"in:{short(inputs.clean_text(value))} holds a character that no path can have", position=position
        )
    path = os.fsencode(os.path.expanduser(value))  # of bytes it expects a user's name in ASCII
    return Inside(path.rstrip(b"/") or b"/")


def _format(name: str) -> str:
    return FORMATS.get(name, name.upper())


def _with_letters(value: str, position: int) -> str:
    if not squeezed(value):
        raise QueryError(f"text:{short(value)} has no letter or digit", "Only those are compared.", position)
    return value


def short(text: str) -> str:
    """The text, shortened for a sentence."""
    return text if len(text) <= 60 else f"{text[:59]}…"


def no_weight(text: str, position: int) -> QueryError:
    """The error of a text with the weight 0: alone it would find nothing."""
    return QueryError(
        f"the weight of {short(text)} is 0, so it would not be searched",
        f'Leave it out; --not "{short(text)}" ranks photos lower that match it.',
        position,
    )


KEYS: dict[str, Callable[[str, datetime, int], Filter]] = {
    "after": _taken("after"),
    "before": _taken("before"),
    "on": _taken("on"),
    "in": _inside,
    "name": lambda value, _, __: Named(value),
    "topic": lambda value, _, __: Tagged("topic", label_name(value)),
    "camera": lambda value, _, __: Camera(value),
    "has": lambda value, _, at: Has(_one_of("has", HAS, value, at)),  # `keyed` adds the kinds of tags
    "is": lambda value, _, at: Online(_one_of("is", ("offline", "online"), value, at) == "online"),
    "text": lambda value, _, at: Containing(_with_letters(value, at)),
    "near": lambda value, _, at: near(value, at),  # `keyed` adds the names of the settings
    "format": lambda value, _, __: Format(_format(value.lower().lstrip("."))),
}


def label_name(text: str) -> str:
    """A label as it is compared with those of the index; `_` may stand for the space in it."""
    return re.sub(r"[\s_]+", " ", text).strip().lower()
