"""Compares what a program prints today with what an earlier version printed."""

from __future__ import annotations

from typing import Any


def known(now: Any, before: Any) -> Any:
    """Return `now` without the keys that versions after `before` have added."""
    if isinstance(now, dict) and isinstance(before, dict):
        return {key: known(now[key], before[key]) for key in before}
    if isinstance(now, list) and isinstance(before, list) and len(now) == len(before):
        return [known(*pair) for pair in zip(now, before, strict=True)]
    return now
