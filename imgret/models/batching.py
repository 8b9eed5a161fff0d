"""How many at once: found by trying, and one broken item costs that item alone. Pure; no torch.

Memory is the limit of a batch and cannot be computed for weights one has never met, so it is met instead:
out of memory halves the batch, and after a run of full batches it doubles again. Each time that memory
runs out the run must be twice as long, so that a size that does not fit is tried ever more rarely.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import replace

from imgret.errors import ImgretError, PhotoError
from imgret.limits import must_propagate

Item = TypeVar("Item")
Result = TypeVar("Result")

_FIRST_PATIENCE = 4
_LAST_PATIENCE = 1024
_OUT_OF_MEMORY = ("out of memory", "can't allocate", "cannot allocate", "failed to allocate", "bad alloc")


class BatchSize(Struct, frozen=True):
    """How many items to hand to a model at once, and what led there. 1 <= size <= limit, always."""

    size: int
    limit: int
    successes: int = 0  # full batches since the size last changed
    patience: int = _FIRST_PATIENCE  # full batches before the next growth

    def halved(self, count: int) -> BatchSize:
        """After memory ran out for a batch of `count`, which may have been less than full."""
        patience = min(2 * self.patience, _LAST_PATIENCE)
        return replace(self, size=max(1, min(count, self.size) // 2), successes=0, patience=patience)

    def succeeded(self, count: int) -> BatchSize:
        """After a batch of `count` went well; batches that were not full prove nothing."""
        if count < self.size or self.size >= self.limit:
            return self
        if self.successes + 1 < self.patience:
            return replace(self, successes=self.successes + 1)
        return replace(self, size=min(2 * self.size, self.limit), successes=0)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether fewer items at once may help, as Python, CUDA, MPS and the CPU allocator say it."""
    if isinstance(error, MemoryError):
        return True
    if not isinstance(error, RuntimeError):
        return False
    text = str(error).lower()
    return type(error).__name__ == "OutOfMemoryError" or any(sign in text for sign in _OUT_OF_MEMORY)


def is_device_lost(error: BaseException) -> bool:
    """Whether the accelerator itself failed, so that no further call can succeed in this process."""
    return type(error).__name__ == "AcceleratorError" and not is_out_of_memory(error)


def in_batches(
    items: Sequence[Item],
    call: Callable[[Sequence[Item]], Sequence[Result | PhotoError]],
    size: BatchSize,
    release: Callable[[], None] = lambda: None,
) -> tuple[list[Result | PhotoError], BatchSize]:
    """`call` over all items, in order: per item its result or its error; and the size for the next time.

    When memory runs out `release` is called and the rest goes on at half the size. Any other error of
    a batch is looked for one by one. A `PhotoError` is kept as it is; another error becomes a transient one.
    Raises other ImgretErrors, which have nothing to do with an item, and one when the device itself failed.
    """
    results: list[Result | PhotoError] = []
    alone = 0  # items to be taken one by one, to find which of them breaks its batch
    while len(results) < len(items):
        part = items[len(results) : len(results) + (1 if alone else size.size)]
        try:
            made = call(part)
            if len(made) != len(part):
                raise ValueError(f"the model gave {len(made)} results for {len(part)} items")
        except PhotoError as error:
            failure = error
        except ImgretError:
            raise
        except BaseException as error:  # a model is other people's code: it costs a photo, not the run
            if must_propagate(error):
                raise
            if is_device_lost(error):
                raise ImgretError(f"the device failed: {error}", "Run the same command again.") from error
            if is_out_of_memory(error) and len(part) > 1:
                size = size.halved(len(part))
                release()
                continue
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
