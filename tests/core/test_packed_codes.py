"""Products of packed codes are those of numpy, whatever the number of rows, also where numkong is not installed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from imgret.store import codes, packed_codes
from imgret.store.packed_codes import PackedCodes, exact_product

ROOT = Path(__file__).parents[2]


def test_numkong_is_imported_in_one_place() -> None:
    importing = [
        path.name for path in (ROOT / "imgret").rglob("*.py") if "import numkong" in path.read_text()
    ]
    assert importing == ["packed_codes.py"], (
        "it is an extra: use packed_codes.int8_kernels, which may be None"
    )


@contextmanager
def kernels(*, installed: bool) -> Iterator[None]:
    """numkong, or what is there without it: the import fails."""
    packed_codes.int8_kernels.cache_clear()
    with mock.patch.dict(sys.modules, {} if installed else {"numkong": None}):
        assert (packed_codes.int8_kernels() is not None) == installed
        yield
    packed_codes.int8_kernels.cache_clear()


@given(
    st.integers(1, 70),
    st.integers(1, 40),
    st.lists(st.integers(1, 100), min_size=1, max_size=4),
    st.integers(0),
    st.booleans(),
)
def test_scores_are_exact_products_of_the_rounded_weights(
    components: int, packed: int, steps: list[int], seed: int, with_numkong: bool
) -> None:
    random = np.random.default_rng(seed)
    rows = random.integers(-127, 128, (sum(steps), components), np.int8)
    weights = random.standard_normal(min(packed, components)).astype(np.float32)
    with mock.patch.object(packed_codes, "BLOCK", 64), kernels(installed=with_numkong):
        made = PackedCodes(packed)
        for last in np.cumsum(steps).tolist():
            made.extend(rows[:last])
            rounded = np.rint(weights * np.float32(127 / np.abs(weights).max())).astype(np.int64)
            right = rows[:last, :packed].astype(np.int64) @ rounded
            assert made.scores(rows[:last], weights).tolist() == right.tolist()
    assert not with_numkong or made.nbytes >= 64 * (len(rows) // 64)


def test_zero_weights_score_zero() -> None:
    rows = np.ones((3, 4), np.int8)
    assert PackedCodes(4).scores(rows, np.zeros(4, np.float32)).tolist() == [0, 0, 0]


@given(st.integers(8, 48), st.floats(0.0, 3.0), st.integers(0, 1000))
def test_codes_keep_the_differences_between_cosines_of_far_queries(
    dimension: int, away: float, seed: int
) -> None:
    """With all components, `codes @ weights` is the cosine but for rounding, wherever the query is."""
    random = np.random.default_rng(seed)
    rows = random.standard_normal((300, dimension)) + random.standard_normal(dimension)
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    query = rows[0] + np.float32(away) * random.standard_normal(dimension).astype(np.float32)
    query /= np.linalg.norm(query)
    learned = codes.learn(rows, len(rows), dimension)
    assert learned.contains_mean()
    found, right = learned.encode(rows) @ learned.weights(query), rows @ query
    step = 1 / learned.scale  # of the rounding of each component
    assert np.abs((found - found.mean()) - (right - right.mean())).max() < step * np.sqrt(dimension)


@given(st.integers(1, 300), st.integers(0, 20), st.floats(1e-6, 1e6), st.integers(0), st.booleans())
def test_exact_products_are_those_of_numpy(
    components: int, rows: int, scale: float, seed: int, with_numkong: bool
) -> None:
    random = np.random.default_rng(seed)
    some = random.integers(-127, 128, (rows, components), np.int8)
    weights = (scale * random.standard_normal(components)).astype(np.float32)
    right = some.astype(np.float64) @ weights.astype(np.float64)
    # Each weight is off by at most half a step.
    most = 127 * components * np.abs(weights).max() / (2 * 127 * 127)
    with kernels(installed=with_numkong):
        assert np.abs(exact_product(some, weights) - right).max(initial=0) <= most * 1.001
        assert not exact_product(some, np.zeros(components, np.float32)).any()
