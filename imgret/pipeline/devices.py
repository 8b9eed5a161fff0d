"""How many photos a device begins with, and how it gets its memory back. torch is never imported for it.

The sizes are where to begin, not what fits: `imgret.models.batching` finds that by trying.
"""

from __future__ import annotations

import gc
import sys

from imgret.models.batching import BatchSize

_CPU_BATCH = 8  # beams of 8 photos use two thirds of a core's arithmetic, of one photo a tenth
_GPU_FIRST = 32
_GPU_MOST = 256  # launches no longer matter there
_PHOTO_BYTES = (
    256 << 20
)  # a photo's share of a batch: shared keys and values, activations of the widest layer


def batch_size(free: int | None) -> BatchSize:
    """Where to begin with `free` bytes of a GPU's memory; None for a processor, whose memory is not ours alone."""
    if free is None:
        return BatchSize(_CPU_BATCH, _CPU_BATCH)
    limit = max(1, min(_GPU_MOST, free // _PHOTO_BYTES))
    return BatchSize(min(_GPU_FIRST, limit), limit)


def free_memory() -> int | None:
    """Free bytes of the present GPU; None without one, or while nothing has imported torch."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return None
    free, _ = torch.cuda.mem_get_info()
    return int(free)


def release() -> None:
    """Give cached memory back, after it ran out."""
    gc.collect()  # what the error's traceback held
    torch = sys.modules.get("torch")
    if torch is None:
        return
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    elif torch.backends.mps.is_available():
        torch.mps.empty_cache()
