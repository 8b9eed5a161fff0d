"""Batch sizes adapt to the available memory, and an item that fails does not affect the others."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from imgret.errors import ImgretError, PhotoError, WeightsError
from imgret.limits import Shortage, is_gpu_full, is_out_of_memory
from imgret.models import torch_device
from imgret.models.batching import BatchSize, in_batches, is_device_lost
from imgret.pipeline import devices

STEPS = st.lists(st.tuples(st.booleans(), st.integers(1, 300)), max_size=200)


@given(st.integers(1, 256), st.integers(0, 256), STEPS)
def test_a_size_stays_between_one_and_its_limit(start, more, steps):
    size = BatchSize(start, start + more)
    for fits, count in steps:
        after = size.succeeded(min(count, size.size)) if fits else size.halved(min(count, size.size))
        assert 1 <= after.size <= after.limit
        assert after.size >= size.size if fits else after.size <= max(1, size.size // 2)
        size = after


@given(st.integers(2, 64), st.integers(1, 64))
def test_a_batch_grows_to_the_size_that_fits_and_mostly_stays_there(limit, fits):
    size, failures = BatchSize(1, limit), 0
    for _ in range(3000):
        if size.size > fits:
            failures, size = failures + 1, size.halved(size.size)
        else:
            size = size.succeeded(size.size)
    assert 2 * (size.size + 1) > min(fits, limit)
    assert failures <= 12


def test_only_full_batches_count_for_growth():
    size = BatchSize(4, 8)
    for _ in range(100):
        size = size.succeeded(3)
    assert size == BatchSize(4, 8)


@given(
    st.lists(st.sampled_from(["fine", "broken", "refused"]), max_size=60),
    st.integers(1, 20),
    st.integers(1, 20),
)
def test_each_item_has_its_own_result_whatever_its_batch_does(kinds, size, fits):
    items = list(enumerate(kinds))

    def call(part):
        if len(part) > fits:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
        if any(kind == "broken" for _, kind in part):
            raise ValueError("a shape it does not like")
        if any(kind == "refused" for _, kind in part):
            raise PhotoError("no picture")
        return [number for number, _ in part]

    results, after = in_batches(items, call, BatchSize(size, size))
    assert len(results) == len(items)
    for (number, kind), result in zip(items, results, strict=True):
        if kind == "fine":
            assert result == number
        else:
            assert isinstance(result, PhotoError)
            assert result.transient == (kind == "broken")
    assert len(items) < size or after.size <= max(fits, 1)


def test_too_little_memory_for_one_item_is_a_transient_failure_of_it():
    released = []

    def call(part):
        if "huge" in part:
            raise RuntimeError("alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory")
        return [item.upper() for item in part]

    results, _ = in_batches(["a", "huge", "b"], call, BatchSize(8, 8), release=lambda: released.append(1))
    assert results[0] == "A"
    assert results[2] == "B"
    assert isinstance(results[1], PhotoError)
    assert results[1].transient
    assert released


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB"),
        torch.AcceleratorError("CUDA error: out of memory", 2),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_gpu_too_full_for_one_photo_is_no_fault_of_the_photo(error):
    """Otherwise another program that fills the GPU would make five attempts at each photo fail."""
    assert is_gpu_full(error)
    assert not is_device_lost(error)
    calls, released = [], []

    def call(part):
        calls.append(len(part))
        raise error

    with pytest.raises(Shortage, match="the GPU has too little free memory"):
        in_batches([1, 2, 3, 4], call, BatchSize(4, 4), release=lambda: released.append(1))
    assert calls == [4, 2, 1]
    assert len(released) == 3


def test_a_gpu_without_memory_is_no_wrong_setting(monkeypatch):
    """`device` allocates a number there: a full GPU is not reported as one that does not exist."""

    def full(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(torch, "empty", full)
    with pytest.raises(Shortage, match="the GPU has too little free memory"):
        torch_device.device("cuda:0")


def test_too_few_results_of_a_model_are_an_error():
    results, _ = in_batches([1, 2, 3], lambda part: part[:1], BatchSize(3, 3))
    assert results == [1, 2, 3]  # each is processed alone


def test_errors_that_do_not_concern_a_photo_end_the_run():
    def weights(part):
        raise WeightsError("not those of the record")

    with pytest.raises(WeightsError):
        in_batches([1], weights, BatchSize(1, 1))

    def lost(part):
        raise torch.AcceleratorError("CUDA error: device-side assert triggered", 710)

    with pytest.raises(ImgretError, match="device-side assert"):
        in_batches([1], lost, BatchSize(1, 1))


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("anything"),
        RuntimeError("MPS backend out of memory (MPS allocated: 9 GB)"),
        RuntimeError("could not create a memory object: failed to allocate"),
    ],
)
def test_is_out_of_memory(error):
    assert is_out_of_memory(error)
    assert not is_device_lost(error)


def test_a_real_failed_allocation_is_recognised():
    with pytest.raises(RuntimeError) as raised:
        torch.empty(1 << 50, dtype=torch.uint8)
    assert is_out_of_memory(raised.value)
    assert not is_gpu_full(raised.value)
    assert not is_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))


@given(st.integers(0, 1 << 40))
def test_the_first_batch_size_depends_on_the_device_memory(free):
    size = devices.batch_size(free)
    assert 1 <= size.size <= size.limit <= 256
    assert size.limit == 1 or size.limit * (256 << 20) <= free


def test_release_memory_without_a_gpu():
    devices.release()
    assert devices.batch_size(None) == BatchSize(8, 8)
