"""The lock of the one process of this user and host that indexes into a library."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from hashlib import blake2b

from imgret.errors import ReadOnly
from imgret.places import places
from imgret.store import file_lock


@contextlib.contextmanager
def writer_lock(
    place: str, *, wait: float = 0.0, waiting: Callable[[str], None] | None = None
) -> Iterator[None]:
    """Hold the lock for indexing into `place` from here; see `file_lock.held`."""
    name = f"postgresql-{blake2b(place.encode(), digest_size=8).hexdigest()}.lock"
    path = os.path.join(places().state, name)
    try:
        fd = file_lock.opened(path)
    except OSError as error:
        raise ReadOnly(f"{path} cannot be written: {error.strerror}") from None
    with file_lock.held(fd, place, wait, waiting):
        yield
