"""The three recipes whose vectors are compared: the rows of the seed's tables."""

from __future__ import annotations

from enum import StrEnum

from imgret.photo import Stage


class Recipe(StrEnum):
    """What of a photo's description is embedded."""

    DETECT = "detect"
    CAPTION = "caption"
    BOTH = "both"

    @property
    def stages(self) -> frozenset[Stage]:
        """The results it is made from. Topics are those of the caption, so without one there are none."""
        caption, detect = {Stage.CAPTION, Stage.TOPICS}, {Stage.DETECT}
        return frozenset({"detect": detect, "caption": caption, "both": caption | detect}[self.value])
