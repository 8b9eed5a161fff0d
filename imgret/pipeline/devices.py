"""The initial batch size of a device, and how to free its memory. Does not import torch.

The sizes are only initial values: `imgret.models.batching` finds what fits by trying.
"""

from __future__ import annotations

import gc
import sys

from imgret.models.batching import BatchSize

# beam search over 8 photos reaches two thirds of a core's peak arithmetic, over one photo a tenth
_CPU_BATCH = 8
_GPU_FIRST = 32
_GPU_MOST = 256  # from here on the overhead of kernel launches is negligible
# Memory per photo of a batch: keys and values of the attention, activations of the widest layer.
_PHOTO_BYTES = 256 << 20


def batch_size(free: int | None) -> BatchSize:
    """Return the initial batch size for `free` bytes of GPU memory; None means a CPU, whose memory others use too."""
    if free is None:
        return BatchSize(_CPU_BATCH, _CPU_BATCH)
    limit = max(1, min(_GPU_MOST, free // _PHOTO_BYTES))
    return BatchSize(min(_GPU_FIRST, limit), limit)


def free_memory() -> int | None:
    """Return the free bytes of the current GPU; None if this process does not use one."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return None
    free, _ = torch.cuda.mem_get_info()
    return int(free)


def shown(device: str | tuple[str, ...]) -> str:
    """Return the devices of the settings as a person reads them, with the GPU's name once torch is loaded."""
    torch = sys.modules.get("torch")
    gpu = torch is not None and torch.cuda.is_available()
    names = []
    for each in (device,) if isinstance(device, str) else device:
        name = each
        if each == "auto" and torch is not None:
            name = "cuda" if gpu else "cpu"
        if torch is not None and gpu and name.startswith("cuda"):
            name += f" ({torch.cuda.get_device_name(int(name.partition(':')[2] or 0))})"
        names.append(name)
    return ", ".join(names)


def release() -> None:
    """Free cached memory after it ran out."""
    gc.collect()  # frees what the traceback of the error references
    torch = sys.modules.get("torch")
    if torch is None:
        return
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    elif torch.backends.mps.is_available():
        torch.mps.empty_cache()
