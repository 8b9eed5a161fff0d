"""Codes of all components keep the order of products, offsets included; rows of codes find what whole vectors find."""

from __future__ import annotations

from unittest import mock

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from imgret.store import coded_rows
from imgret.store.coded_rows import CodedRows, FloatRows
from imgret.store.fine_codes import WIDE, FineCodes, rest_scores
from imgret.store.held_codes import HeldCodes


def library(rows: int, dimension: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return vectors whose variance falls along the components as in real ones, offsets, and a query."""
    random = np.random.default_rng(seed)
    widths = np.arange(1, dimension + 1) ** -0.5
    vectors = random.standard_normal((rows, dimension)) * widths + 2 * random.standard_normal(dimension)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    query = random.standard_normal(dimension) * widths
    offsets = random.uniform(0, 0.05, rows)
    return (
        vectors.astype(np.float32),
        offsets.astype(np.float32),
        (query / np.linalg.norm(query)).astype(np.float32),
    )


@settings(deadline=None)
@given(st.integers(2, 400), st.booleans(), st.integers(0, 1000))
def test_codes_differ_little_from_the_products_of_vectors(dimension: int, corrected: bool, seed: int) -> None:
    vectors, offsets, query = library(500, dimension, seed)
    made = FineCodes.learned(vectors, offsets, len(vectors))
    wide, rest = made.encode(vectors, offsets)
    weights = made.weights(query, corrected=corrected)
    assert wide.shape == (500, min(WIDE, dimension + 1))
    assert rest.shape == (500, max(0, dimension + 1 - WIDE + 1) // 2)
    found = wide @ weights.wide + rest_scores(rest, weights.rest)
    right = vectors @ query - (offsets if corrected else 0)
    error = (found - found.mean()) - (right - right.mean())
    assert np.abs(error).max() < 0.02 + 0.15 * right.std()


def test_the_rest_makes_codes_exact_where_wide_components_alone_are_not() -> None:
    vectors, offsets, _ = library(3000, 768, 1)
    query = np.full(768, 768**-0.5, np.float32)
    made = FineCodes.learned(vectors, offsets, len(vectors))
    wide, rest = made.encode(vectors, offsets)
    weights = made.weights(query, corrected=True)
    right = vectors @ query - offsets
    alone = wide @ weights.wide
    both = alone + rest_scores(rest, weights.rest)
    assert np.corrcoef(both, right)[0, 1] > 0.999
    assert np.std(both - right) < np.std(alone - right) / 4


def test_equal_offsets_and_equal_vectors_are_no_error() -> None:
    vectors = np.tile(np.eye(1, 300, dtype=np.float32), (20, 1))
    made = FineCodes.learned(vectors, np.zeros(20, np.float32), 20)
    wide, rest = made.encode(vectors, np.zeros(20, np.float32))
    weights = made.weights(vectors[0], corrected=True)
    assert np.isfinite(wide @ weights.wide + rest_scores(rest, weights.rest)).all()


@settings(deadline=None, max_examples=30)
@given(
    st.integers(0, 100),
    st.lists(st.integers(1, 700), min_size=1, max_size=3),
    st.floats(0.02, 1),
    st.integers(0, 20),
)
def test_the_nearest_are_those_of_whole_vectors(
    seed: int, steps: list[int], share: float, replaced: int
) -> None:
    """Whatever passes the filter, however rows were added, and whichever rows do not count."""
    vectors, offsets, query = library(sum(steps), 300, seed)
    coded, whole = CodedRows(FineCodes.learned(vectors, offsets, len(vectors)), HeldCodes()), FloatRows()
    random = np.random.default_rng(seed)
    with mock.patch.object(coded_rows, "WIDELY", 100):
        first = 0
        for step in steps:
            for rows in (coded, whole):
                rows.reserve(first + step)
                rows.add(vectors[first : first + step], offsets[first : first + step])
            first += step
        ids = np.arange(1, first + 1)
        ids[random.integers(0, first, replaced)] = -1
        passing = None if share > 0.9 else np.flatnonzero(random.random(first) < share)
        found = coded.nearest(query, 40, passing, ids, fine=True)
        right = whole.nearest(query, 10, passing, ids, fine=True)
    assert len(set(found.tolist())) == len(found) <= 40
    assert (ids[found] > 0).all()
    assert passing is None or np.isin(found, passing).all()
    assert len(np.intersect1d(found, right)) >= 0.9 * len(right)
    expected = vectors @ query
    exact = [
        at for at in np.argsort(-expected).tolist() if ids[at] > 0 and (passing is None or at in passing)
    ]
    lost = max(10 - replaced, 0) if len(exact) >= 10 else 0
    assert set(exact[:lost]) <= set(right.tolist())
