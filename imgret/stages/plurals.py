"""English plurals of the labels of detectors: `two giraffes`, `many sheep`. Pure."""

from __future__ import annotations

import re

_IRREGULAR = {
    "person": "people",
    "man": "men",
    "woman": "women",
    "child": "children",
    "mouse": "mice",
    "goose": "geese",
    "foot": "feet",
    "tooth": "teeth",
    "ox": "oxen",
    "knife": "knives",
    "shelf": "shelves",
    "loaf": "loaves",
    "leaf": "leaves",
    "scarf": "scarves",
    "wolf": "wolves",
    "calf": "calves",
    "potato": "potatoes",
    "tomato": "tomatoes",
    "mango": "mangoes",
}
# Words whose plural is the same, that are plurals, or that name no single thing.
_SAME = frozenset(
    """
    sheep deer fish goldfish jellyfish starfish shellfish seafood food fruit broccoli bread cheese pasta furniture clothing footwear
    headgear jewelry luggage baggage equipment skis scissors glasses sunglasses goggles jeans shorts trousers pants tights
    binoculars headphones aircraft spacecraft watercraft sushi pizza-dough milk coffee tea juice wine beer popcorn ice
    """.split()  # noqa: SIM905 - a list of 50 strings would be a page
)


def plural(label: str) -> str:
    """Return a label in the plural; only its last word changes: `traffic light` -> `traffic lights`."""
    before, space, word = label.rpartition(" ")
    if word in _SAME or not word.isalpha() or not word.isascii():
        return label
    for one, many in _IRREGULAR.items():
        if word == one or (one in ("man", "woman", "child") and word.endswith(one) and word != "human"):
            return f"{before}{space}{word.removesuffix(one)}{many}"
    if re.search(r"(s|x|z|ch|sh)$", word):
        return f"{label}es"
    if re.search(r"[^aeiou]y$", word):
        return f"{label[:-1]}ies"
    return f"{label}s"


def counted(count: int, label: str) -> str:
    """Return `1 dog`, `2 dogs`."""
    return f"{count} {label if count == 1 else plural(label)}"
