"""Whether ultralytics reads a `.pt` file without running code from it.

A `.pt` is a pickle, which can call any function when it is read. ultralytics can be told to allow nothing but the
classes of its own networks. The switch is no documented interface, and a version that cannot obey falls back to
reading everything. So a pickle that would run code is tried first.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from functools import cache
from typing import Any

import torch
from ultralytics import YOLO
from ultralytics.nn import tasks

from imgret.errors import WeightsError

_ran: list[str] = []  # what code of pickles has written here


def forbid_code() -> None:
    """Have ultralytics refuse code in `.pt` files from now on. Raises WeightsError where it would run it."""
    # The environment variable for this is read at the first import, by whatever program that was.
    tasks.SAFE_LOAD = True
    if not _refuses():
        raise WeightsError(
            "this version of ultralytics cannot read weights without running their code",
            "Install the version in constraints.txt.",
        )


@cache
def _refuses() -> bool:
    _ran.clear()
    with tempfile.TemporaryDirectory(prefix="imgret-") as folder:
        path = os.path.join(folder, "trap.pt")
        torch.save({"model": _Trap()}, path)
        with suppress(Exception):  # refused: ultralytics and pickle have several errors for that
            YOLO(path, task="detect")
    return not _ran


class _Trap:
    """Runs `_run` when it is read."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _run, ("ran",)


def _run(said: str) -> str:
    _ran.append(said)
    return said
