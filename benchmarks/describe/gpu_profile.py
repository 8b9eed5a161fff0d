"""How long a GPU is idle, by torch's profiler."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch


def synchronise(device: str) -> None:
    """Wait until a GPU has computed everything."""
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)


@contextmanager
def gpu_profile(device: str) -> Iterator[list[float]]:
    """Yield a list that afterwards holds the share of the time in which the GPU ran no kernel and no copy.

    It stays empty on a processor.
    """
    from torch.profiler import ProfilerActivity, profile

    shares: list[float] = []
    if not device.startswith("cuda"):
        yield shares
        return
    synchronise(device)
    with profile(activities=[ProfilerActivity.CUDA], acc_events=True) as profiler:
        began = time.perf_counter()
        yield shares
        synchronise(device)
        took = time.perf_counter() - began
    spans = [
        (event.time_range.start, event.time_range.end)
        for event in profiler.events() or ()
        if event.device_type.name == "CUDA"
    ]
    shares.append(round(1 - union(spans) / 1e6 / took, 3))


def union(spans: Sequence[tuple[float, float]]) -> float:
    """Return the length of what the intervals cover together; overlapping kernels count once."""
    covered, reached = 0.0, float("-inf")
    for start, end in sorted(spans):
        covered += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return covered
