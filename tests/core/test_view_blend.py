"""The product with the blended vector of a photo is its score in the space, but for a constant."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from imgret.photo import ModelIdentity
from imgret.search import fuse, score_baseline
from imgret.search.score_baseline import Sample
from imgret.search.view_blend import ViewBlend
from imgret.store.records import IMAGE, TEXT, Space


def views_of(photos: int, seed: int, lacking: float) -> dict[str, np.ndarray]:
    """Return random vectors of the views of texts; captions and counts are missing from a share of the photos."""
    random = np.random.default_rng(seed)
    made = {}
    for view in fuse.VIEWS:
        rows = random.standard_normal((photos, 24)) + 3 * random.standard_normal(24)
        rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
        if view == fuse.NOTE:
            rows[:] = np.nan
        elif view != fuse.PASSAGE:
            rows[random.random(photos) < lacking] = np.nan
        made[view] = rows
    return made


def space(stage: str, lead: str) -> Space:
    return Space(1, stage, ModelIdentity("given", "1"), 24, lead, 1.0, active=True)


@given(st.integers(12, 80), st.integers(0, 1000), st.sampled_from([0.0, 0.3, 1.0]))
def test_products_are_the_scores_of_texts(photos: int, seed: int, lacking: float) -> None:
    views = views_of(photos, seed, lacking)
    sample = Sample(space(TEXT, fuse.PASSAGE), np.arange(photos), views, photos)
    query = np.random.default_rng(seed + 1).standard_normal(24).astype(np.float32)
    query /= np.linalg.norm(query)
    rows, offsets = ViewBlend(sample).blended({view: views[view] for view in fuse.VIEWS[:3]})
    # With the mean of each view as its baseline, which is nearly the median.
    cosines = sample.cosines(query)
    usable = {
        view: np.count_nonzero(~np.isnan(found)) >= score_baseline.LEAST for view, found in cosines.items()
    }
    plain = sample.cosines(query, corrected=False)
    means = {view: np.nanmean(plain[view if usable[view] else fuse.PASSAGE]) for view in fuse.VIEWS}
    grounds = {
        view: fuse.Baseline(np.array([mean], np.float32), np.ones(1, np.float32))
        for view, mean in means.items()
    }
    right = fuse.text_cosines(cosines, grounds)
    found = rows @ query - offsets
    assert not np.isnan(found).any()
    assert np.allclose(found - found.mean(), right - right.mean(), atol=1e-4)


def test_an_image_is_its_vector_less_its_hubness() -> None:
    rows = views_of(40, 3, 0)[fuse.PASSAGE]
    sample = Sample(space(IMAGE, "image"), np.arange(40), {"image": rows}, 40)
    blended, offsets = ViewBlend(sample).blended({"image": rows})
    assert np.array_equal(blended, rows)
    assert np.allclose(rows @ rows[0] - offsets, sample.cosines(rows[0])["image"], atol=1e-6)
    assert offsets.std() > 0
