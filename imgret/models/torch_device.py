"""torch and the libraries above it, set up once for all four models: silent, offline, within bounds.

Nothing here imports torch when the module is imported.
"""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from typing import TYPE_CHECKING

from imgret.errors import WeightsError
from imgret.places import Places

if TYPE_CHECKING:
    import torch

_MOST_THREADS = 8  # more of them wait for each other at these batch sizes


def prepare(places: Places) -> None:
    """Tell the libraries, before their import: be silent and offline, install nothing, write only here."""
    with suppress(OSError):  # on a disk that cannot be written ultralytics takes the temporary folder
        os.makedirs(places.state, mode=0o700, exist_ok=True)
    os.environ.update(
        YOLO_OFFLINE="True",
        YOLO_VERBOSE="False",
        YOLO_AUTOINSTALL="False",
        YOLO_CONFIG_DIR=places.state,  # it makes a folder `Ultralytics` there
        ULTRALYTICS_SAFE_LOAD="True",
        TOKENIZERS_PARALLELISM="false",
        TRANSFORMERS_VERBOSITY="error",
        ORT_DISABLE_TELEMETRY="1",  # else onnxruntime reports to Microsoft, from a database in the user's cache
        HF_HUB_DISABLE_TELEMETRY="1",
    )
    os.environ.setdefault("MPLCONFIGDIR", places.state)
    # Unset, ultralytics sets it to 1 when it is imported, for every model of the process.
    os.environ.setdefault("OMP_NUM_THREADS", str(_cores()))


@contextmanager
def silence() -> Iterator[None]:
    """What a library says while it is imported or loads weights is for its developers, not for our stderr."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            # wordllama calls logging.basicConfig at its import, which would put every INFO on stderr
            root.handlers[:] = handlers
            root.setLevel(level)


@contextmanager
def loading(path: str) -> Iterator[None]:
    """Whatever a library raises over foreign weights becomes a WeightsError that names them."""
    try:
        with silence():
            _mute_transformers()
            yield
    except ImportError as error:
        raise WeightsError(
            f"{path} needs the package {error.name or error}", f"Install it: `pip install {error.name}`."
        ) from error
    except WeightsError:
        raise
    except Exception as error:  # onnxruntime, torch and pickle each have a tree of errors of their own
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise WeightsError(
            f"{path} cannot be loaded: {reason}", "Run `imgret models verify`, or name other weights."
        ) from error


def ready(places: Places, wanted: str) -> str:
    """The device to load a model on, once torch is imported and set up. `wanted` is as in the settings.

    Raises WeightsError where there is no such device.
    """
    prepare(places)
    threads()
    return device(wanted)


def threads() -> None:
    """Set the threads of one operation to what `prepare` found; to be called again after others have set them."""
    import torch

    asked = os.environ.get("OMP_NUM_THREADS", "")
    torch.set_num_threads(int(asked) if asked.isdecimal() and int(asked) else _cores())


def rest() -> None:
    """End the helper threads that operations of the present thread have left behind; its next one makes new ones.

    OpenMP keeps helpers for each thread that ever computed, and where there are more of them than processors
    GNU's no longer wait actively: then each operation of the describing thread waits until its own are
    woken, a tenth of a real model's time and two thirds of a tiny one's. So whoever has loaded a model, or has answered
    a question, lets go of them.
    """
    if "torch" in sys.modules and (pause := _pause()) is not None:
        pause(1)  # omp_pause_soft: settings stay


@cache
def _pause() -> Callable[[int], int] | None:
    """`omp_pause_resource_all` of OpenMP 5.0, where torch has brought one: it loads the library for all to see."""
    import ctypes

    found: Callable[[int], int] | None = getattr(ctypes.CDLL(None), "omp_pause_resource_all", None)
    return found


def _cores() -> int:
    """The cores that this process may use, within bounds."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(_MOST_THREADS, cores)


def device(asked: str) -> str:
    """`auto` -> the first GPU, else the CPU; anything else as it stands. Raises WeightsError."""
    import torch

    if asked == "auto":
        return "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        torch.empty(1, device=asked)
    except (RuntimeError, AssertionError) as error:  # AssertionError: torch built without CUDA
        reason = str(error).splitlines()[0]
        raise WeightsError(
            f"the device {asked!r} cannot be used: {reason}", "Correct `device` in the configuration."
        ) from None
    return asked


def dtype(asked: str, on: str, *, gpu: str = "bfloat16") -> torch.dtype:
    """`auto` -> float32 on a CPU, `gpu` on a GPU."""
    import torch

    if asked == "auto":
        asked = gpu if on.startswith("cuda") else "float32"
    return {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}[asked]


def give_back(on: str) -> None:
    """Return freed memory to the device, so that others can use it."""
    import gc

    import torch

    gc.collect()
    if on.startswith("cuda"):
        torch.cuda.empty_cache()


def _mute_transformers() -> None:
    from transformers.utils import logging as transformers_logging

    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
