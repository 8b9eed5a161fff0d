"""The queue before the models: which photos are in a batch."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgret.pipeline.jobs import Draft, Job
from imgret.pipeline.ready import PER_OTHER, TEXTS_PER_PHOTO, Ready
from imgret.pipeline.same_pixels import SamePixels

PIXELS = np.zeros((2, 3, 3), np.uint8)


def draft(key: int, precedence: int, *, with_pixels: bool = True) -> Draft:
    made = Draft(Job(key, b"", frozenset(), precedence=precedence))
    made.pixels = PIXELS if with_pixels else None
    return made


@given(st.lists(st.integers(0, 2), min_size=1, max_size=60), st.integers(1, 8))
def test_the_greatest_precedence_comes_first_and_every_fourth_draft_is_another(
    precedences: list[int], photos: int
) -> None:
    ready = Ready()
    for key, precedence in enumerate(precedences):
        ready.offer(draft(key, precedence))
    greatest = max(precedences)
    first = [key for key, precedence in enumerate(precedences) if precedence == greatest]
    others = [key for key, precedence in enumerate(precedences) if precedence != greatest]
    firsts_taken = others_taken = 0
    while firsts_taken < len(first):
        taken = {each.job.key for each in ready.take(photos, 0.0) or ()}
        expected = min(len(others), firsts_taken // PER_OTHER) - others_taken
        assert taken.intersection(others) == set(others[others_taken : others_taken + expected])
        assert taken.intersection(first) == set(first[firsts_taken : firsts_taken + photos - expected])
        others_taken += expected
        firsts_taken += len(taken) - expected
    rest = list(others[others_taken:])
    while rest:
        taken = {each.job.key for each in ready.take(photos, 0.0) or ()}
        assert 0 < len(taken) <= photos
        rest = [key for key in rest if key not in taken]
    assert ready.counts()[0] == 0
    assert ready.pixel_bytes == 0


@pytest.mark.parametrize("photos", [1, 2, 8])
def test_a_draft_is_taken_although_others_always_come_first(photos: int) -> None:
    ready, other = Ready(), draft(0, 0)
    ready.offer(other)
    for batch in range(PER_OTHER + 2):
        for key in range(photos):
            ready.offer(draft(1 + batch * photos + key, 1))
        if other in (ready.take(photos, 0.0) or ()):
            return
    pytest.fail("it was never taken")


@pytest.mark.parametrize("precedence", [0, 1, 2])
def test_texts_wait_only_for_images_with_at_least_their_precedence(precedence: int) -> None:
    ready, image, text = Ready(), draft(1, 1), draft(2, precedence, with_pixels=False)
    ready.offer(image)
    ready.offer(text)
    assert ready.take(8, 0.0) == ([text] if precedence > 1 else [image, text])


def test_images_are_described_although_texts_with_a_greater_precedence_always_come() -> None:
    ready, image = Ready(), draft(0, 0)
    ready.offer(image)
    for batch in range(1, PER_OTHER + 2):
        ready.offer(draft(batch, 1, with_pixels=False))
        assert (image in (ready.take(8, 0.0) or ())) == (batch > PER_OTHER)


@given(st.lists(st.booleans(), max_size=40), st.integers(1, 8))
def test_a_batch_has_more_texts_than_images(with_pixels: list[bool], photos: int) -> None:
    ready = Ready()
    for key, each in enumerate(with_pixels):
        ready.offer(draft(key, 0, with_pixels=each))
    left = Counter(with_pixels)
    while left.total():
        taken = Counter(each.pixels is not None for each in ready.take(photos, 0.0) or ())
        assert taken == +Counter(
            {True: min(left[True], photos), False: min(left[False], photos * TEXTS_PER_PHOTO)}
        )
        left -= taken


def copy(key: int, precedence: int) -> Draft:
    made = draft(key, precedence)
    made.pixel_hash = b"equal"
    return made


def test_a_photo_for_which_a_more_urgent_copy_waits_takes_over_its_precedence() -> None:
    ready, same = Ready(), SamePixels()
    first, other, asked = copy(1, 0), draft(2, 1), copy(3, 2)
    assert not same.waits(first)
    ready.offer(first)
    ready.offer(other)
    assert same.waits(asked)
    assert ready.take(8, 0.0) == [first]
    assert ready.take(8, 0.0) == [other]


def test_a_copy_that_is_decoded_again_keeps_the_precedence_of_those_that_wait_for_it() -> None:
    same = SamePixels()
    assert not same.waits(copy(1, 0))
    waiting = [copy(2, 0), copy(3, 2)]
    assert all(same.waits(each) for each in waiting)
    assert same.saved(1) == waiting  # it failed
    same.describe(waiting[0], waiting[1:])
    again = copy(2, 0)
    assert not same.waits(again)
    assert again.precedence == 2
    assert same.saved(2) == [waiting[1]]
    assert same.count == 0
