"""Waiting for a state that must come: with a deadline for a busy machine, and the condition in the failure."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

SECONDS = 200.0  # the describing thread gives way to everything else on a busy machine


def until(condition: Callable[[], T], seconds: float = SECONDS) -> T:
    """Wait until `condition` returns something true, and return that. Raises AssertionError with the condition otherwise."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, f"not within {seconds:g} s: {_described(condition)}; it was {found!r}"
        time.sleep(0.02)
    return found


def _described(condition: Callable[[], object]) -> str:
    """The source of the condition, and the values that it looks at."""
    try:
        source = " ".join(inspect.getsource(condition).split())
    except (OSError, TypeError):
        source = repr(condition)
    if inspect.isfunction(condition):
        seen = inspect.getclosurevars(condition).nonlocals
        source += "".join(f"; {name} = {value!r:.200}" for name, value in seen.items())
    return source
