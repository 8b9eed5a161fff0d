"""The sum of what vectors and words say, as a pure function."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgret.search import fuse

SCORES = st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=30)


@given(SCORES, st.integers(1, 4), st.integers(0, 5))
def test_more_matching_words_never_lower_a_score(cosines: list[float], terms: int, more: int) -> None:
    rows = len(cosines)
    views = {view: np.array(cosines, np.float32) for view in fuse.VIEWS}
    grounds = {view: fuse.Background(0.1, 0.05) for view in fuse.VIEWS}
    lengths = np.full((rows, 4), 9, np.int32)
    rarity = np.linspace(0.5, 3, terms).astype(np.float32)
    counts = np.zeros((rows, terms, 4), np.int32)
    before = fuse.fused(
        views, grounds, fuse.Matches(counts, lengths, rarity, 4.0, np.ones(counts.shape[2], np.float32)), 0.05
    )
    counts = counts.copy()
    counts[0, more % terms, more % 4] += 1
    after = fuse.fused(
        views, grounds, fuse.Matches(counts, lengths, rarity, 4.0, np.ones(counts.shape[2], np.float32)), 0.05
    )
    assert after[0] > before[0]
    assert np.allclose(after[1:], before[1:])
    assert np.isfinite(after).all()


def test_a_lacking_view_neither_helps_nor_harms() -> None:
    lacking = np.array([0.3, 0.3], np.float32)
    views = {view: lacking.copy() for view in fuse.VIEWS}
    views["counts"] = np.array([0.1, np.nan], np.float32)  # at the middle, and lacking
    views["note"] = np.array([np.nan, np.nan], np.float32)
    grounds = {view: fuse.Background(0.1, 0.05) for view in fuse.VIEWS}
    none = fuse.Matches(
        np.zeros((2, 0, 4), np.int32),
        np.ones((2, 4), np.int32),
        np.zeros(0, np.float32),
        1.0,
        np.ones(4, np.float32),
    )
    scores = fuse.fused(views, grounds, none, 0.05)
    assert scores[0] == pytest.approx(scores[1])
    assert scores[0] == pytest.approx(0.3)


@given(
    st.lists(st.floats(-1, 1), min_size=1, max_size=20),
    st.floats(0.1, 4),
    st.floats(-0.5, 0.5),
    st.integers(0, 19),
)
def test_a_standard_score_is_the_same_on_every_scale(
    cosines: list[float], scale: float, shift: float, lacking: int
) -> None:
    rows = np.array(cosines, np.float32)
    ground = fuse.Background(float(np.median(rows)), 0.3)
    moved = fuse.Background(ground.middle * scale + shift, ground.spread * scale)
    plain = fuse.standard(rows, ground, 0.2)
    assert np.allclose(
        fuse.standard(rows * np.float32(scale) + np.float32(shift), moved, 0.2 * scale), plain, atol=1e-3
    )
    assert (np.diff(plain[np.argsort(rows)]) >= 0).all()  # rounding may make neighbours equal
    rows[lacking % len(rows)] = np.nan
    assert fuse.standard(rows, ground, 0.2)[lacking % len(rows)] == 0


def test_words_count_by_their_column() -> None:
    counts = np.array([[[1, 0]], [[0, 1]], [[0, 0]]], np.int32)
    lengths = np.full((3, 2), 5, np.int32)

    def bm25(*weights: float) -> list[float]:
        rarity = np.ones(1, np.float32)
        return fuse.bm25(fuse.Matches(counts, lengths, rarity, 1.0, np.array(weights, np.float32))).tolist()

    assert bm25(1, 1) == pytest.approx([bm25(1, 1)[0]] * 2 + [0])
    assert bm25(1, 2)[1] > bm25(1, 2)[0] == bm25(1, 1)[0]
    assert bm25(1, 0)[1] == 0
