"""Arrays of integers as PostgreSQL sends them, converted many at once."""

from __future__ import annotations

import struct

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from imgret.store.postgres.pg_arrays import INT4, int4s, joined_int4s

INTEGERS = st.integers(-(1 << 31), (1 << 31) - 1)


def sent(values: list[int]) -> bytes:
    """An integer[] in binary form (`array_send`)."""
    if not values:
        return struct.pack(">iii", 0, 0, INT4)
    head = struct.pack(">iiiii", 1, 0, INT4, len(values), 1)
    return head + b"".join(struct.pack(">ii", 4, value) for value in values)


@given(st.lists(st.lists(INTEGERS, max_size=6), max_size=6))
def test_many_arrays_are_those_one_by_one(arrays: list[list[int]]) -> None:
    sizes = np.array([len(array) for array in arrays], np.int32)
    flat = joined_int4s(b"".join(sent(array) for array in arrays), sizes)
    assert flat.tolist() == [value for array in arrays for value in array]
    assert [int4s(sent(array)).tolist() for array in arrays] == arrays
