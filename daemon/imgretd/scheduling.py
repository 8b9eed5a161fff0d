"""Low priority for background threads, and conditions under which describing photos should wait.

Linux has priorities for each thread, so the threads that serve requests keep theirs. The checks are made often and take
microseconds; a condition that cannot be determined is no reason to wait.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import sys
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from imgret.config import Settings

# The service as a whole runs at nice 5. Far below that, the threads would get almost nothing beside many clients
# (benchmarks/NOTES.md, "Searching beside describing").
_NICE = 7
_IOPRIO_SET = {"x86_64": 251, "aarch64": 30, "riscv64": 30, "i686": 289, "ppc64le": 273, "s390x": 282}
_WHO_PROCESS = 1
_CLASS_IDLE = 3 << 13
_POWER = "/sys/class/power_supply"
# Needed by a batch in addition to the weights, with a reserve for allocations by other programs.
LEAST_FREE_GPU_BYTES = 1 << 30
GPU_SHORT = "another program needs the GPU's memory"


def lower_thread_priority() -> None:
    """Set at least nice 7 and idle I/O priority for this thread, and for the threads and processes that it starts."""
    if sys.platform != "linux":
        return
    thread = threading.get_native_id()
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, thread, max(_NICE, os.getpriority(os.PRIO_PROCESS, thread)))
    number = _IOPRIO_SET.get(platform.machine())
    if number is not None:
        ctypes.CDLL(None).syscall(number, _WHO_PROCESS, 0, _CLASS_IDLE)


def reason_to_wait(settings: Settings) -> str | None:
    """Return why describing photos should wait, or None."""
    if settings.daemon.pause_on_battery and on_battery():
        return "on battery"
    if gpu_is_short(settings.device):
        return GPU_SHORT
    return None


def on_battery(power: str = _POWER) -> bool:
    """Return whether this machine runs on battery; False with a charger or without a battery."""
    try:
        supplies = os.listdir(power)
    except OSError:
        return False
    discharging = False
    for name in supplies:
        supply = os.path.join(power, name)
        kind = _line(supply, "type")
        if kind in ("Mains", "USB") and _line(supply, "online") == "1":
            return False
        if kind == "Battery" and _line(supply, "scope") != "Device":  # "Device": of a mouse, for example
            discharging = discharging or _line(supply, "status") == "Discharging"
    return discharging


def gpu_is_short(device: str | tuple[str, ...] = "auto") -> bool:
    """Return whether other processes use the memory of a GPU that the settings name.

    Always False unless torch and a GPU are in use already.
    """
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available() or not torch.cuda.is_initialized():
        return False
    named = (device,) if isinstance(device, str) else device
    return any(_is_short(torch, each) for each in named if each == "auto" or each.startswith("cuda"))


def _is_short(torch: Any, device: str) -> bool:
    on = None if device in ("auto", "cuda") else device  # None: the current device
    try:
        free, _total = torch.cuda.mem_get_info(on)
        ours = torch.cuda.memory_reserved(on) - torch.cuda.memory_allocated(on)  # cached for our next batch
    except (RuntimeError, ValueError, AssertionError):  # there is no such GPU, which is reported by loading
        return False
    return bool(free + ours < LEAST_FREE_GPU_BYTES)


def _line(supply: str, name: str) -> str:
    try:
        with open(os.path.join(supply, name), encoding="ascii", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""
