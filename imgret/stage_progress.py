"""The progress of the stages as JSON and as text, for status reports and progress bars."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from imgret.pipeline.pipeline import StageProgress


def stage_fields(stages: Iterable[StageProgress]) -> list[dict[str, Any]]:
    """Return the JSON of stages: `stage`, `done` and `total` in photos, `seconds_left` or null while it is unknown."""
    return [
        {
            "stage": each.stage,
            "done": each.done,
            "total": each.total,
            "seconds_left": None if each.seconds_left is None else round(each.seconds_left),
        }
        for each in stages
    ]


def stage_lines(fields: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a line for each stage: "image   1,200 of 10,000, 12 min left"."""
    width = max((len(each["stage"]) for each in fields), default=0)
    return [
        f"{each['stage']:<{width}}  {each['done']:,} of {each['total']:,}{_left(each, ' left')}"
        for each in fields
    ]


def stage_text(fields: Sequence[Mapping[str, Any]], most: int = 2) -> str:
    """Return the next stages in one line: "image 1,200/10,000 12 min, caption 8/10,000 5 h"."""
    # Stages of one pass advance together, so the last of them stands for all.
    shown: dict[tuple[int, Any], Mapping[str, Any]] = {
        (each["done"], each["seconds_left"]): each for each in fields
    }
    parts = [
        f"{each['stage']} {each['done']:,}/{each['total']:,}{_left(each, '').replace(',', '')}"
        for each in list(shown.values())[:most]
    ]
    return ", ".join(parts)


def duration(seconds: float) -> str:
    """Return a duration with one unit: "40 s", "12 min", "5 h", "3 d"."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 1.5 * size:
            return f"{round(seconds / size)} {unit}"
    return f"{round(seconds)} s"


def _left(each: Mapping[str, Any], word: str) -> str:
    seconds = each.get("seconds_left")
    return "" if seconds is None else f", {duration(seconds)}{word}"
