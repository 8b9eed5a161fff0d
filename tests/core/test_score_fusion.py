"""The sum of the evidence of vectors and words, as a pure function."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgret.search import fuse

Z = st.lists(st.floats(-4, 40, width=32) | st.just(np.nan), min_size=1, max_size=30)


@given(Z, st.lists(st.floats(-4, 6, width=32), max_size=20), st.integers(0, 29), st.floats(0.1, 30))
def test_more_matching_words_never_lower_a_score(
    scores: list[float], sample: list[float], place: int, more: float
) -> None:
    place %= len(scores)
    rows, library = np.array(scores, np.float32), np.array(sample, np.float32)
    words = np.zeros(len(rows), np.float32)
    before = fuse.evidence(rows, library, 100, fuse.WEIGHTS.text, words=words)
    words[place] = more
    after = fuse.evidence(rows, library, 100, fuse.WEIGHTS.text, words=words)
    assert after[place] >= before[place]
    assert np.array_equal(np.delete(after, place), np.delete(before, place))
    assert np.isfinite(after).all()
    assert (after >= 0).all()


@given(Z, st.lists(st.floats(-4, 6, width=32), max_size=20), st.integers(1, 1_000_000))
def test_evidence_keeps_the_order_and_is_nothing_for_what_is_missing(
    scores: list[float], sample: list[float], size: int
) -> None:
    rows, library = np.array(scores, np.float32), np.array(sample, np.float32)
    for curve in (fuse.WEIGHTS.text, fuse.WEIGHTS.image):
        found = fuse.evidence(rows, library, size, curve)
        order = np.argsort(rows[~np.isnan(rows)], kind="stable")
        assert (np.diff(found[~np.isnan(rows)][order]) >= -1e-4).all()
        assert (found[np.isnan(rows)] == 0).all()
        many = fuse.evidence(np.stack([rows, rows]), np.stack([library, library]), size, curve)
        assert np.allclose(many, np.stack([found, found]), atol=1e-4)


@given(st.lists(st.tuples(st.floats(0, 20, width=32), st.floats(0, 20, width=32)), min_size=2, max_size=9))
def test_scores_of_correlated_spaces_are_added(pairs: list[tuple[float, float]]) -> None:
    text, image = np.array(pairs, np.float32).T
    both = np.ones(len(pairs), np.bool_)
    found = fuse.joined(text, image, described=both, seen=both)
    assert np.allclose(found, text + image)
    nothing = np.zeros(len(pairs), np.float32)
    lacking = fuse.joined(text, nothing, described=both, seen=~both)
    assert (lacking >= text).all()  # waiting for a stage makes no photo sink
    assert np.allclose(lacking, text * np.float32(fuse.WEIGHTS.without_image))


def test_a_lacking_view_neither_helps_nor_harms() -> None:
    lacking = np.array([0.3, 0.3], np.float32)
    views = {view: lacking.copy() for view in fuse.VIEWS}
    ground = fuse.Baseline(np.float32([0.1]), np.float32([0.05]))
    views["counts"] = np.array([0.1, np.nan], np.float32)  # at the middle, and lacking
    views["note"] = np.array([np.nan, np.nan], np.float32)
    found = fuse.text_cosines(views, dict.fromkeys(fuse.VIEWS, ground))
    assert found == pytest.approx([0.2, 0.2])


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
    ground = fuse.Baseline(np.median(rows, keepdims=True), np.float32([0.3]))
    moved = fuse.Baseline(ground.middle * scale + shift, ground.spread * scale)
    plain = fuse.standard(rows, ground, 0.2)
    assert np.allclose(
        fuse.standard(rows * np.float32(scale) + np.float32(shift), moved, 0.2 * scale), plain, atol=1e-3
    )
    assert (np.diff(plain[np.argsort(rows)]) >= 0).all()  # rounding may make neighbours equal
    rows[lacking % len(rows)] = np.nan
    assert np.isnan(fuse.standard(rows, ground, 0.2)[lacking % len(rows)])


@given(st.integers(1, 40), st.integers(1, 70), st.integers(0, 5))
def test_hubs_are_near_to_many(count: int, size: int, seed: int) -> None:
    numbers = np.random.default_rng(seed)
    rows, bank = (numbers.normal(size=(n, 16)).astype(np.float32) for n in (count, size))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    bank /= np.linalg.norm(bank, axis=1, keepdims=True)
    found = fuse.hubness(rows, bank)
    assert found.shape == (count,)
    assert ((found >= 0) & (found <= (rows @ bank.T).max(axis=1).clip(0) + 1e-5)).all()
    centre = bank.sum(axis=0, keepdims=True) / np.linalg.norm(bank.sum(axis=0))
    if min(size, count) >= 32:  # among few, nearest is the one copy that is left out
        assert fuse.hubness(centre, bank)[0] >= np.median(found)
    rows[0] = np.nan
    assert np.isnan(fuse.hubness(rows, bank)[0])


def test_words_count_by_their_column() -> None:
    counts = np.array([[[1, 0]], [[0, 1]], [[0, 0]]], np.int32)
    lengths = np.full((3, 2), 5, np.int32)

    def bm25(*weights: float) -> list[float]:
        rarity = np.ones(1, np.float32)
        return fuse.bm25(fuse.Matches(counts, lengths, rarity, 1.0, np.array(weights, np.float32))).tolist()

    assert bm25(1, 1) == pytest.approx([bm25(1, 1)[0]] * 2 + [0])
    assert bm25(1, 2)[1] > bm25(1, 2)[0] == bm25(1, 1)[0]
    assert bm25(1, 0)[1] == 0
