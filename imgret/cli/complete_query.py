"""Complete the words of a query: keys of filters, their values, and labels of objects."""

from __future__ import annotations

import os

TYPE_CHECKING = False  # importing typing takes 3 ms
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Values = Callable[[str, str], list[str]]

_DATES = ("today", "yesterday", "last-week", "last-month", "last-year", "last-summer", "last-winter")
_CHOICES = {
    "has": ("note", "caption", "gps", "objects", "topics", "date", "text"),
    "is": ("offline", "online"),
    "rating": ("1", "2", "3", "4", "5"),
    "after": _DATES,
    "before": _DATES,
    "on": _DATES,
}
_MEANINGS = {
    "after": "taken then or later",
    "before": "taken before then",
    "on": "taken then",
    "in": "in or below a folder",
    "name": "part of the file name",
    "camera": "part of the camera's name",
    "format": "format of the file",
    "has": "what the photo must have",
    "is": "offline or online",
    "near": "around a town or a point",
    "text": "part of the text in the photo",
    "rating": "stars",
}
_OBJECT = "object"


def query_values(current: str, values: Values) -> Iterator[tuple[str, str]]:
    """Yield candidates for the last word of a query, with a description. `values` are those of the library.

    In `two dogs pla`, which is one quoted argument, the last word is completed.
    """
    before, space, word = current.rpartition(" ")
    before += space
    if word.startswith("-"):
        before, word = f"{before}-", word[1:]
    key, colon, value = word.partition(":")
    if colon:
        for found in _values(key.lower(), value, values):
            yield f"{before}{key}:{found}", ""
        return
    kinds = [kind for kind in values("kind", "") if kind != _OBJECT]
    for name in dict.fromkeys([*_MEANINGS, *kinds]):
        if name.startswith(word.lower()):
            yield f"{before}{name}:", _MEANINGS.get(name, f"photos with this {name}")
    if word:
        for label in values(_OBJECT, word):
            yield f"{before}{_joined(label)}", "object"


def ends_open(word: str) -> bool:
    """Return whether more text follows a candidate directly, without a space."""
    return word.endswith((":", "/", "="))


def _values(key: str, value: str, values: Values) -> Iterator[str]:
    if key in _CHOICES:
        yield from (choice for choice in _CHOICES[key] if choice.startswith(value.lower()))
    elif key == "in":
        yield from _folders(value)
    elif key == "format":
        yield from (name.lower() for name in values(key, value))
    elif key == "camera":
        # The filter looks for a part of the name: one word of it needs no quotes.
        words = dict.fromkeys(word for name in values(key, "") for word in name.lower().split())
        yield from (word for word in words if word.startswith(value.lower()))
    elif key not in ("name", "text"):
        yield from map(_joined, values("place" if key == "near" else key, value))


def _joined(label: str) -> str:
    """Return a label as one word: in tags, `_` stands for the space."""
    return label.replace(" ", "_")


def _folders(value: str) -> Iterator[str]:
    above, name = os.path.split(value)
    try:
        with os.scandir(os.path.expanduser(above) or ".") as entries:
            # Not `entry.is_dir()`: it raises for a link that cannot be followed.
            found = sorted(entry.name for entry in entries if os.path.isdir(entry))
    except OSError:
        return
    for folder in found:
        if folder.startswith(name) and (name or not folder.startswith(".")) and " " not in folder:
            yield f"{os.path.join(above, folder)}/"
