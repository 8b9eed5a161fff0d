"""The three recipes whose vectors are compared: the rows of the seed's tables."""

from __future__ import annotations

from enum import StrEnum


class Recipe(StrEnum):
    """What of a photo's description is embedded."""

    DETECT = "detect"
    CAPTION = "caption"
    BOTH = "both"

    @property
    def stages(self) -> frozenset[str]:
        """The results it is made from. Topics are those of the caption, so without one there are none."""
        caption, detect = {"caption", "topics"}, {"detect"}
        return frozenset({"detect": detect, "caption": caption, "both": caption | detect}[self.value])
