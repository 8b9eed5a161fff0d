"""Make sure that ultralytics loads `.pt` files without running code from them.

A `.pt` is a pickle, which can call any function while it is loaded. ultralytics has a switch that allows only the
classes of its own networks. The switch is undocumented, and a version that does not support it loads everything. So a
pickle that would run code is loaded first, as a test.
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

_ran: list[str] = []  # the test pickle appends to it if its code runs


def forbid_code() -> None:
    """Make ultralytics refuse code in `.pt` files from now on. Raises WeightsError if it would still run it."""
    # The environment variable for this is only read when ultralytics is imported, which may have happened before.
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
        with suppress(Exception):  # refused: ultralytics and pickle raise several kinds of errors
            YOLO(path, task="detect")
    return not _ran


class _Trap:
    """Calls `_run` when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _run, ("ran",)


def _run(text: str) -> str:
    _ran.append(text)
    return text
