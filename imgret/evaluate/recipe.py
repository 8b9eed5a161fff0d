"""The three recipes that are compared: the rows in the tables of the baseline recipe (*image-retrieval*)."""

from __future__ import annotations

from enum import StrEnum


class Recipe(StrEnum):
    """The part of a photo's description that is embedded."""

    DETECT = "detect"
    CAPTION = "caption"
    BOTH = "both"

    @property
    def stages(self) -> frozenset[str]:
        """The stages whose results it uses. Topics are computed from the caption, so they need it."""
        caption, detect = {"caption", "topics"}, {"detect"}
        return frozenset({"detect": detect, "caption": caption, "both": caption | detect}[self.value])
