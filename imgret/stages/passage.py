"""The recipe: caption + counts + note -> passage, topics -> instruction. Pure; no torch.

To the letter that of the *image-retrieval* project, on whose golden strings it is tested:

- counts: labels in lower case, in the order in which their boxes come first; 1 one, 2 two, 3 three,
  4 four, more many;
- passage: `caption + " " + "{count} {label} , " ... + " is in the photo . "`, then the user's note;
- instruction: the topics joined without a separator in `"represent the {topics} title:"`, where `_&_`
  reads ` and ` and `_` a space.

Beside the passage, each text stands as a view of its own (see `imgret.search.rank` for why).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from imgret.photo import Detection

PROMPT = "a picture of "  # what the captioner is made to begin with

_NUMERALS = {1: "one", 2: "two", 3: "three", 4: "four"}


def numeral(count: int) -> str:
    """1 -> one ... 4 -> four, more -> many. `count` is at least 1."""
    return _NUMERALS.get(count, "many")


def counts(detections: Iterable[Detection]) -> dict[str, int]:
    """Label -> how many, in the order in which the labels come first."""
    found: dict[str, int] = {}
    for detection in detections:
        label = detection.label.lower()
        found[label] = found.get(label, 0) + 1
    return found


def counted(objects: Mapping[str, int]) -> str:
    """The counts as the passage has them: `two giraffe , one tree , `; empty when there are none."""
    return "".join(f"{numeral(count)} {label} , " for label, count in objects.items())


def passage(caption: str, objects: Mapping[str, int], note: str | None = None) -> str:
    """The text that is embedded for a photo. Without a note it is that of the baseline recipe, byte for byte."""
    text = f"{caption} {counted(objects)} is in the photo . "
    return f"{text}{note}" if note else text


def instruction(topics: Iterable[str]) -> str:
    """The instruction under which a text with these topics is embedded, a question's too."""
    labels = "".join(topic.replace("_&_", " and ").replace("_", " ") for topic in topics)
    return f"represent the {labels} title:"


def views(results: Mapping[str, Any], note: str | None = None, names: str = "") -> dict[str, str]:
    """The texts of a photo to embed, by view; those with nothing to say are left out.

    `results` are the payloads of the stages. `names` are the words of its file and folders. They are used only where nothing
    else is known of the photo, so that it can be found at all; otherwise names are left to the search by words.
    """
    objects = counts(results.get("detect") or ())
    caption = results.get("caption") or ""
    texts: dict[str, str] = {}
    if caption or objects or note:
        texts["passage"] = passage(caption, objects, note)
    elif names.strip():
        texts["passage"] = names
    if caption:
        texts["caption"] = caption
    if objects:
        texts["counts"] = counted(objects)
    if note:
        texts["note"] = note
    return texts
