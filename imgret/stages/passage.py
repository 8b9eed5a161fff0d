"""The texts of the baseline recipe: the passage from caption, counts and note, the instruction from topics.

They are identical to those of the *image-retrieval* project; tests compare them with its output:

- counts: labels in lower case, in the order of their first box; 1 is written one, 2 two, 3 three,
  4 four, and more than 4 many;
- passage: `caption + " " + "{count} {label} , " ... + " is in the photo . "`, then the user's note;
- instruction: the topics joined without a separator in `"represent the {topics} title:"`, where `_&_`
  becomes ` and ` and `_` a space.

Each text is also embedded as a separate view (`imgret.search.rank` explains why).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from imgret.photo import Detection

PROMPT = "a picture of "  # the beginning of every caption

_NUMERALS = {1: "one", 2: "two", 3: "three", 4: "four"}


def numeral(count: int) -> str:
    """Return 1 as one, ... 4 as four, and more as many. `count` is at least 1."""
    return _NUMERALS.get(count, "many")


def counts(detections: Iterable[Detection]) -> dict[str, int]:
    """Return label -> count, in the order of the first occurrence."""
    found: dict[str, int] = {}
    for detection in detections:
        label = detection.label.lower()
        found[label] = found.get(label, 0) + 1
    return found


def counted(objects: Mapping[str, int]) -> str:
    """Return the counts as in the passage: `two giraffe , one tree , `; empty if there are none."""
    return "".join(f"{numeral(count)} {label} , " for label, count in objects.items())


def passage(caption: str, objects: Mapping[str, int], note: str | None = None) -> str:
    """Return the text that is embedded for a photo. Without a note it equals that of the baseline recipe."""
    text = f"{caption} {counted(objects)} is in the photo . "
    return f"{text}{note}" if note else text


def first(captions: tuple[str, ...] | None) -> str:
    """Return the caption of the recipe; empty if there is none."""
    return captions[0] if captions else ""


def together(captions: tuple[str, ...]) -> str:
    """Return the captions as one text to embed. The prompt stays in the first one only; one caption is not changed.

    Embedded in one text, two captions find more than the mean or the greater of two vectors.
    """
    one, *others = captions
    text = one
    for other in others:
        separator = " " if text.endswith((".", "!", "?")) else ". "
        text += separator + other.removeprefix(PROMPT)
    return text


def instruction(topics: Iterable[str]) -> str:
    """Return the embedder's instruction for a text with these topics, be it of a photo or of a query."""
    labels = "".join(topic.replace("_&_", " and ").replace("_", " ") for topic in topics)
    return f"represent the {labels} title:"


def views(results: Mapping[str, Any], note: str | None = None, names: str = "") -> dict[str, str]:
    """Return the texts of a photo to embed, by view; empty ones are left out.

    `results` maps stages to payloads. `names` are words from the names of its file and folders. They are embedded only if
    nothing else is known about the photo; otherwise only the words index covers names.
    """
    objects = counts(results.get("detect") or ())
    captions = results.get("caption") or ()
    caption = first(captions)
    texts: dict[str, str] = {}
    if caption or objects or note:
        texts["passage"] = passage(caption, objects, note)
    elif names.strip():
        texts["passage"] = names
    if caption:
        texts["captions"] = together(captions)
    if objects:
        texts["counts"] = counted(objects)
    if note:
        texts["note"] = note
    return texts
