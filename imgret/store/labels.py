"""Match words of a query with detector labels: plurals, synonyms and categories (`people`, `bike`, `animals`).

Synonyms and categories are listed in `labels.txt`; other labels match in singular and plural. Pure functions.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache, lru_cache
from importlib import resources

from imgret.store.fold import fold

MOST_SUGGESTED = 3

_IRREGULAR = {
    "people": "person",
    "men": "man",
    "women": "woman",
    "children": "child",
    "mice": "mouse",
    "geese": "goose",
    "feet": "foot",
    "teeth": "tooth",
    "oxen": "ox",
    "calves": "calf",
    "halves": "half",
    "leaves": "leaf",
    "loaves": "loaf",
    "scarves": "scarf",
    "shelves": "shelf",
    "thieves": "thief",
    "wolves": "wolf",
    "cacti": "cactus",
    "dice": "dice",
    "tie": "tie",
    "ties": "tie",
    "pies": "pie",
    "buses": "bus",
    "oboes": "oboe",
    "tvs": "tv",
    "emus": "emu",
    "toes": "toe",
    "lens": "lens",
    "gas": "gas",
    "canvas": "canvas",
    "christmas": "christmas",
    "shoes": "shoe",
    "canoes": "canoe",
    "horseshoes": "horseshoe",
    "axes": "axe",
}
_NOT_PLURAL = frozenset({"glasses", "clothes"})  # as a whole label, because a glass is a different object


def canonical(label: str) -> str:
    """Return a label folded, in the singular and without text in brackets: `Traffic_Lights` -> `traffic light`."""
    return _canonical(label[:200])


@lru_cache(4096)
def _canonical(label: str) -> str:
    text = re.sub(r"\([^()]*\)", " ", fold(label))
    text = " ".join(text.replace("_", " ").split())
    if text in _NOT_PLURAL:
        return text
    before, _, last = text.rpartition(" ")
    return f"{before} {_singular(last)}".strip()


def matching_labels(text: str, known: Iterable[str]) -> list[str]:
    """Return the `known` labels that match the text as a name, synonym or category, in their order."""
    wanted = _closure(canonical(text))
    return [label for label in known if canonical(label) in wanted]


def is_label(text: str) -> bool:
    """Return whether the text is a name of a COCO or Open Images label or category."""
    return canonical(text) in _groups()


def suggestions(text: str, known: Sequence[str]) -> list[str]:
    """Return up to MOST_SUGGESTED known labels that an unknown one may stand for.

    In this order: labels of which it is a category, labels that contain the word, and similar spellings.
    """
    wanted = canonical(text)
    members = [label for label in known if wanted in _closure(canonical(label))]
    containing = [label for label in known if wanted in canonical(label).split()]
    distances = (
        [] if is_label(wanted) else sorted((distance(wanted, canonical(label)), label) for label in known)
    )
    similar = [
        label
        for errors, label in distances
        if errors * 7 <= len(wanted) * 2 or sorted(wanted) == sorted(canonical(label))
    ]
    found = dict.fromkeys([*members, *containing, *similar])
    return list(found)[:MOST_SUGGESTED]


def _singular(word: str) -> str:
    """Return a singular form for comparison, never shown: both `cookies` and `cookie` become `cooky`."""
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if len(word) > 3 and word.endswith(("ies", "ie")):
        return word.removesuffix("s")[:-2] + "y"
    if len(word) < 4 or word.endswith(("ss", "us")) or not word.endswith("s"):
        return word
    if word.endswith("knives"):
        return word[:-3] + "fe"
    if word.endswith(("ches", "shes", "xes", "sses", "zzes", "oes")) or re.search("[^o]uses$", word):
        return word[:-2]
    return word[:-1]


@cache
def _groups() -> dict[str, frozenset[str]]:
    """Return name -> its synonyms and categories, all in canonical form."""
    text = resources.files("imgret.store").joinpath("labels.txt").read_text(encoding="utf-8")
    groups: dict[str, frozenset[str]] = {}
    for group in re.split("[;\n]", re.sub("(?m)^#.*", "", text)):
        names, _, kinds = group.partition(" = ")
        for name in _names(names):
            groups[name] = groups.get(name, frozenset()) | _names(names) | _names(kinds)
            groups.update({kind: frozenset({kind}) for kind in _names(kinds) if kind not in groups})
    return groups


@lru_cache(4096)
def _closure(name: str) -> frozenset[str]:
    """Return the name, its synonyms, its categories and their categories."""
    found, new = {name}, {name}
    while new:
        new = {other for one in new for other in _groups().get(one, ())} - found
        found |= new
    return frozenset(found)


def distance(one: str, other: str) -> int:
    """Return the number of typing errors between two words: letters missing, added, changed or swapped.

    This is the optimal string alignment distance. For words of very different lengths it is only an upper bound,
    the length of the longer one.
    """
    if abs(len(one) - len(other)) > max(len(one), len(other)) // 4 + 1:
        return max(len(one), len(other))
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        last, before, row = before, row, [i]
        for j, b in enumerate(other, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (a != b))
            if i > 1 and j > 1 and (a, b) == (other[j - 2], one[i - 2]):
                cost = min(cost, last[j - 2] + 1)
            row.append(cost)
    return row[-1]


def _names(text: str) -> frozenset[str]:
    return frozenset(canonical(name) for name in text.split(",") if name.strip())
