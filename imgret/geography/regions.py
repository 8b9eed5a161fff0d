"""Regions as circles around their towns: the data has no borders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from imgret.geography.circles import Circle
from imgret.geography.gazetteer import EARTH_KM, on_sphere

if TYPE_CHECKING:
    from imgret.geography.towns import Town

MOST = 100  # circles of a region; more would slow a filter down


def cover(towns: Sequence[Town], km: float) -> list[Circle]:
    """Return circles that contain everything within half of `km` of a town; for large regions, larger ones.

    Towns that come first are preferred as centres.
    """
    from scipy.spatial import cKDTree

    points = on_sphere([(town.latitude, town.longitude) for town in towns])
    tree, spacing = cKDTree(points), km / 2
    while True:
        centres, covered = [], set[int]()
        for at, town in enumerate(towns):
            if at not in covered:
                centres.append(town)
                covered.update(tree.query_ball_point(points[at], spacing / EARTH_KM))
        if len(centres) <= MOST:
            return [Circle(town.latitude, town.longitude, spacing + km / 2) for town in centres]
        spacing *= 1.5
