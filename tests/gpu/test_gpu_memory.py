"""Memory of a GPU that runs out, and that is given back. All of it needs a real GPU."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Callable

import numpy as np
import pytest
import torch
from imgretd.loaded_models import LoadedModels
from PIL import Image

from imgret.limits import Shortage
from imgret.models.batching import BatchSize
from imgret.pipeline import devices
from imgret.pipeline.describer import Describer
from imgret.pipeline.jobs import Draft
from imgret.pipeline.loading import load_models
from imgret.pipeline.pipeline import Job

pytestmark = pytest.mark.gpu

STAGES = frozenset({"image", "caption", "detect", "topics", "embed"})
LEAST = 384 << 20  # bytes that a batch must need, so that the blocks of the allocator (20 MB) do not matter
PAGE = 2 << 20  # bytes in which a GPU gives memory away
MOST = 4096  # photos
LEAK = 8 << 20  # bytes that may differ after models were loaded and unloaded: buffers of libraries


def drafts(paths, count):
    images = [np.asarray(Image.open(path).convert("RGB")) for path in paths]
    made = [Draft(Job(number, paths[number % len(paths)], STAGES)) for number in range(count)]
    for number, draft in enumerate(made):
        draft.pixels = images[number % len(images)]
    return made


def payloads(outcomes):
    assert not any(outcome.failures for outcome in outcomes)
    return [
        (outcome.results["caption"].payload, outcome.results["topics"].payload, len(outcome.results))
        for outcome in outcomes
    ]


def free(device):
    devices.release()
    torch.cuda.synchronize(device)
    return torch.cuda.mem_get_info(device)[0]


@pytest.fixture
def leave(cuda) -> Callable[[int], None]:
    """Return a function that allocates memory until only so many bytes are free. It is freed after the test."""
    held = []

    def fill(bytes_left: int) -> None:
        part = 1 << 40
        while part >= PAGE and (excess := free(cuda) - bytes_left) >= PAGE:
            part = min(part, excess - excess % PAGE)
            try:
                held.append(torch.empty(part, dtype=torch.uint8, device=cuda))
            except torch.OutOfMemoryError:  # what is free is not all in one piece
                part //= 2

    yield fill
    held.clear()
    devices.release()


@contextlib.contextmanager
def exhausted(device, leave):
    """Nothing is free, not even inside the blocks that the allocator holds for other tensors."""
    leave(0)
    held = []
    for size in (1 << 20, 1 << 16, 1 << 12, 512):
        with contextlib.suppress(torch.OutOfMemoryError):
            while True:
                held.append(torch.empty(size, dtype=torch.uint8, device=device))
    try:
        yield
    finally:
        held.clear()
        devices.release()


def needed(exact, paths, cuda):
    """Return a number of photos, and the bytes that a batch of them needs at most."""
    count = 256
    while True:
        devices.release()
        before = torch.cuda.memory_reserved(cuda)
        torch.cuda.reset_peak_memory_stats(cuda)
        describer = Describer(exact, BatchSize(count, count), devices.release)
        expected = payloads(describer.describe(drafts(paths, count)))
        peak = torch.cuda.max_memory_reserved(cuda) - before
        if peak >= LEAST or count >= MOST:
            return count, peak, expected
        count *= 2


def test_out_of_memory_halves_the_batch_and_continues(exact, drawings, cuda, leave):
    count, peak, expected = needed(exact, drawings, cuda)
    assert peak >= LEAST, f"{count} photos need only {peak} bytes: nothing would run out"
    leave(peak // 3)
    describer = Describer(exact, BatchSize(count, count), devices.release)
    assert payloads(describer.describe(drafts(drawings, count))) == expected
    assert min(size.size for size in describer._sizes.values()) < count
    print(f"{count} photos need {peak >> 20} MB; with a third of it: {describer._sizes}")


def test_a_gpu_without_room_for_one_photo_is_no_fault_of_the_photo(exact, drawings, cuda, leave):
    one = drafts(drawings, 1)
    expected = payloads(Describer(exact, BatchSize(8, 8)).describe(one))
    with exhausted(cuda, leave), pytest.raises(Shortage, match="the GPU has too little free memory"):
        Describer(exact, BatchSize(8, 8), devices.release).describe(drafts(drawings, 8))
    devices.release()
    assert payloads(Describer(exact, BatchSize(8, 8)).describe(drafts(drawings, 1))) == expected


def test_weights_that_do_not_fit_are_no_fault_of_the_weights(tiny_in, somewhere, cuda, leave):
    with exhausted(cuda, leave), pytest.raises(Shortage, match="the GPU has too little free memory"):
        load_models(tiny_in(), somewhere, ["caption"], device=cuda).close()


def weights():
    """The number of weights on a GPU that are still there."""
    gc.collect()
    return sum(isinstance(each, torch.nn.Parameter) and each.is_cuda for each in gc.get_objects())


def test_unloaded_models_give_their_memory_back(tiny_in, somewhere, drawings, cuda):
    left, others = [], weights()
    for _ in range(4):
        models = load_models(tiny_in(), somewhere, device=cuda)
        assert weights() > others
        for _ in range(3):  # from the second batch on the decoding step is recorded
            payloads(Describer(models, BatchSize(16, 16)).describe(drafts(drawings, 16)))
        models.close()
        del models
        assert weights() == others, "the weights are still there"
        left.append((torch.cuda.memory_allocated(cuda), free(cuda)))
    print("allocated and free MB after each unloading:", [(a >> 20, f >> 20) for a, f in left])
    # Libraries load kernels and keep buffers at the first use: the later rounds are compared.
    (allocated, unused), (again, still) = left[1], left[-1]
    assert abs(again - allocated) <= LEAK
    assert abs(still - unused) <= LEAK


def test_the_daemon_unloads_what_only_describing_needs(tiny_in, somewhere, cuda):
    warm = LoadedModels(tiny_in(device=cuda), somewhere, load_models)
    models = warm.models({"image", "caption", "detect", "topics", "embed"})
    before, loaded = weights(), set(warm.loaded)
    assert {"caption", "detect"} <= loaded
    del models
    assert warm.unload_heavy()
    assert "caption" not in warm.loaded
    assert weights() < before  # tiny weights share their blocks, so free memory may stay the same
    warm.close()
    assert not warm.loaded
