"""What people call the labels of a detector: plurals, other names, and kinds (`people`, `bike`, `animals`). Pure.

The names stand in `labels.txt`; the labels of any other detector are understood in singular and plural.
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
_WHOLE = frozenset({"glasses", "clothes"})  # no plurals when they stand alone: a glass is another thing


def canonical(label: str) -> str:
    """A label folded, in the singular, without what stands in brackets: `Traffic_Lights` -> `traffic light`."""
    return _canonical(label[:200])


@lru_cache(4096)
def _canonical(label: str) -> str:
    text = re.sub(r"\([^()]*\)", " ", fold(label))
    text = " ".join(text.replace("_", " ").split())
    if text in _WHOLE:
        return text
    before, _, last = text.rpartition(" ")
    return f"{before} {_singular(last)}".strip()


def meant(text: str, known: Iterable[str]) -> list[str]:
    """Those of the `known` labels that the text means, in their order: the label itself, other names, its kinds."""
    wanted = _closure(canonical(text))
    return [label for label in known if canonical(label) in wanted]


def is_label(text: str) -> bool:
    """Whether COCO or Open Images have a label that is called so."""
    return canonical(text) in _groups()


def suggestions(text: str, known: Sequence[str]) -> list[str]:
    """Known labels that may be meant by one that is not known: wider ones, ones that hold the word, typing errors."""
    asked = canonical(text)
    wider = [label for label in known if asked in _closure(canonical(label))]
    holding = [label for label in known if asked in canonical(label).split()]
    errors = [] if is_label(asked) else sorted((distance(asked, canonical(label)), label) for label in known)
    near = [
        label
        for mistakes, label in errors
        if mistakes * 7 <= len(asked) * 2 or sorted(asked) == sorted(canonical(label))
    ]
    found = dict.fromkeys([*wider, *holding, *near])
    return list(found)[:MOST_SUGGESTED]


def _singular(word: str) -> str:
    """Both `cookies` and `cookie` become `cooky`: the form is only compared and never shown."""
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
    """Name -> its other names and its kinds, all in canonical form."""
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
    """The name, its other names, its kinds and theirs."""
    found, new = {name}, {name}
    while new:
        new = {other for one in new for other in _groups().get(one, ())} - found
        found |= new
    return frozenset(found)


def distance(one: str, other: str) -> int:
    """Typing errors between two words: letters that are missing, added, changed or swapped with the next.

    Much too large a number for words whose lengths differ much.
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
