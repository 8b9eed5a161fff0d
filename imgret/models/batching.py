"""Adapt batch sizes to the available memory, and isolate items that fail. Pure functions, without torch.

The largest batch that fits in memory cannot be computed for unknown weights, so it is found by trial: running out of
memory halves the batch size, and a number of full batches doubles it again. That number doubles each time memory runs
out, so a size that does not fit is tried less and less often.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import replace

from imgret.errors import ImgretError, PhotoError
from imgret.limits import gpu_full, is_gpu_full, is_out_of_memory, must_propagate

Item = TypeVar("Item")
Result = TypeVar("Result")

_FIRST_PATIENCE = 4
_LAST_PATIENCE = 1024


class BatchSize(Struct, frozen=True):
    """The current batch size and the state of its adaptation. 1 <= size <= limit."""

    size: int
    limit: int
    successes: int = 0  # full batches since the size last changed
    patience: int = _FIRST_PATIENCE  # full batches before the size is doubled

    def halved(self, count: int) -> BatchSize:
        """Return the state after memory ran out for a batch of `count` items."""
        patience = min(2 * self.patience, _LAST_PATIENCE)
        return replace(self, size=max(1, min(count, self.size) // 2), successes=0, patience=patience)

    def succeeded(self, count: int) -> BatchSize:
        """Return the state after a successful batch of `count` items. Only full batches count."""
        if count < self.size or self.size >= self.limit:
            return self
        if self.successes + 1 < self.patience:
            return replace(self, successes=self.successes + 1)
        return replace(self, size=min(2 * self.size, self.limit), successes=0)


def is_device_lost(error: BaseException) -> bool:
    """Return whether the accelerator failed: then no further call can succeed in this process."""
    return type(error).__name__ == "AcceleratorError" and not is_out_of_memory(error)


def in_batches(
    items: Sequence[Item],
    call: Callable[[Sequence[Item]], Sequence[Result | PhotoError]],
    size: BatchSize,
    release: Callable[[], None] = lambda: None,
) -> tuple[list[Result | PhotoError], BatchSize]:
    """Apply `call` to all items in batches. Return the result or error of each item in order, and the next batch size.

    When memory runs out, `release` is called and the batch size is halved. After any other error in a batch, its items
    are processed one by one to find the one that fails. A `PhotoError` is kept; any other error becomes a transient
    PhotoError. Raises ImgretError for errors that do not concern a single item, and when the device failed; Shortage
    when a GPU has too little memory for a single item: models scale photos to one size, so no photo is the cause.
    """
    results: list[Result | PhotoError] = []
    alone = 0  # number of items to process one by one, because their batch failed
    while len(results) < len(items):
        part = items[len(results) : len(results) + (1 if alone else size.size)]
        try:
            made = call(part)
            if len(made) != len(part):
                raise ValueError(f"the model returned {len(made)} results for {len(part)} items")
        except PhotoError as error:
            failure = error
        except ImgretError:
            raise
        except BaseException as error:  # third-party code raises anything; it costs a photo, not the run
            if must_propagate(error):
                raise
            if is_device_lost(error):
                raise ImgretError(f"the device failed: {error}", "Run the same command again.") from error
            if is_out_of_memory(error) and len(part) > 1:
                size = size.halved(len(part))
                release()
                continue
            if is_gpu_full(error):
                release()
                raise gpu_full() from error
            failure = PhotoError(f"{type(error).__name__}: {error}", transient=True)
        else:
            results.extend(made)
            size = size.succeeded(len(part)) if not alone else size
            alone = max(0, alone - 1)
            continue
        if len(part) == 1:
            results.append(failure)
            alone = max(0, alone - 1)
        else:
            alone = len(part)
    return results, size
