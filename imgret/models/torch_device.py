"""Configure torch and the libraries that use it: no output, no network, a limited number of threads.

Importing this module does not import torch.
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
from imgret.limits import gpu_full, is_gpu_full
from imgret.places import Places

if TYPE_CHECKING:
    import torch

_GPU_DRIVERS = ("/proc/driver/nvidia/version", "/dev/kfd")  # of NVIDIA and AMD
_MOST_THREADS = 8  # with these batch sizes more threads only wait for each other


def prepare(places: Places) -> None:
    """Set environment variables for the libraries; call it before they are imported.

    They must print nothing, use no network, install nothing, and write only to the state folder.
    """
    with suppress(OSError):  # if the disk is read-only, ultralytics uses the temporary folder
        os.makedirs(places.state, mode=0o700, exist_ok=True)
    os.environ.update(
        YOLO_OFFLINE="True",
        YOLO_VERBOSE="False",
        YOLO_AUTOINSTALL="False",
        YOLO_CONFIG_DIR=places.state,  # it creates a folder `Ultralytics` there
        ULTRALYTICS_SAFE_LOAD="True",
        TOKENIZERS_PARALLELISM="false",
        TRANSFORMERS_VERBOSITY="error",
        ORT_DISABLE_TELEMETRY="1",  # otherwise onnxruntime sends telemetry to Microsoft
        HF_HUB_DISABLE_TELEMETRY="1",
    )
    os.environ.setdefault("MPLCONFIGDIR", places.state)
    # If it is unset, importing ultralytics sets it to 1 for all models of the process.
    os.environ.setdefault("OMP_NUM_THREADS", str(_cores()))


@contextmanager
def silence() -> Iterator[None]:
    """Suppress the warnings that libraries print while they are imported or load weights."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            # Importing wordllama calls logging.basicConfig, which would print every INFO message to stderr.
            root.handlers[:] = handlers
            root.setLevel(level)


@contextmanager
def loading(path: str) -> Iterator[None]:
    """Convert any error while weights are loaded into a WeightsError that names their `path`."""
    try:
        with silence():
            _mute_transformers()
            yield
    except ImportError as error:
        if error.name is None:  # raised by a library that checks for an optional package
            raise WeightsError(
                f"{path} cannot be loaded: {str(error).strip().splitlines()[0]}",
                "Install the package that it names.",
            ) from error
        raise WeightsError(
            f"{path} needs the package {error.name}", f"Install it: `pip install {error.name}`."
        ) from error
    except WeightsError:
        raise
    except Exception as error:  # onnxruntime, torch and pickle each have their own exception classes
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise WeightsError(
            f"{path} cannot be loaded: {reason}", "Run `imgret models verify`, or choose other weights."
        ) from error


def ready(places: Places, wanted: str) -> str:
    """The device to load a model on, once torch is imported and set up. `wanted` is as in the settings.

    Raises WeightsError where there is no such device.
    """
    prepare(places)
    threads()
    return device(wanted)


def threads() -> None:
    """Set the number of threads per operation to OMP_NUM_THREADS. Call it again after a library has changed it."""
    import torch

    configured = os.environ.get("OMP_NUM_THREADS", "")
    torch.set_num_threads(int(configured) if configured.isdecimal() and int(configured) else _cores())


def release_openmp_threads() -> None:
    """End the OpenMP helper threads of the current thread. Its next operation creates new ones.

    OpenMP keeps helper threads for each thread that has computed anything. With more of them than processors, GNU's
    implementation no longer waits actively: then each operation of the describing thread waits until its helpers are
    woken, which takes a tenth of a real model's time and two thirds of a tiny one's. So call this after loading a model
    and after a query.
    """
    if "torch" in sys.modules and (pause := _pause()) is not None:
        pause(1)  # omp_pause_soft: keeps the settings


@cache
def _pause() -> Callable[[int], int] | None:
    """Return `omp_pause_resource_all` of OpenMP 5.0 if torch loaded a library that has it; torch loads it globally."""
    import ctypes

    found: Callable[[int], int] | None = getattr(ctypes.CDLL(None), "omp_pause_resource_all", None)
    return found


def _cores() -> int:
    """Return the number of cores that this process may use, at most 8."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(_MOST_THREADS, cores)


def device(name: str) -> str:
    """Return the device to use: for `auto` the first GPU or else the CPU.

    Raises WeightsError if it cannot be used, and Shortage if it has no free memory.
    """
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        torch.empty(1, device=name)
    except (RuntimeError, AssertionError) as error:  # AssertionError: torch built without CUDA
        if is_gpu_full(error):
            raise gpu_full() from error
        reason = str(error).splitlines()[0]
        raise WeightsError(
            f"the device {name!r} cannot be used: {reason}", "Correct `device` in the configuration."
        ) from None
    return name


def is_gpu_likely(name: str) -> bool:
    """Return whether `device(name)` is likely a GPU, without importing torch: from the driver of this machine."""
    if name != "auto":
        return name != "cpu"
    if sys.platform == "darwin":
        return os.uname().machine == "arm64"
    return any(os.path.exists(path) for path in _GPU_DRIVERS)


def dtype(name: str, on: str, *, gpu: str = "bfloat16") -> torch.dtype:
    """Return the dtype of this name for the device `on`; `auto` is float32 on a CPU and `gpu` on a GPU."""
    import torch

    if name == "auto":
        name = gpu if on.startswith("cuda") else "float32"
    return {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}[name]


def release_memory(on: str) -> None:
    """Return freed memory to the device `on` for other programs."""
    import gc

    import torch

    gc.collect()
    if on.startswith("cuda"):
        torch.cuda.empty_cache()


def _mute_transformers() -> None:
    from transformers.utils import logging as transformers_logging

    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
