"""The three recipes that are compared: the rows in the tables of the baseline recipe (*image-retrieval*)."""

from __future__ import annotations

from enum import StrEnum

from imgret.photo import Stage


class Recipe(StrEnum):
    """The part of a photo's description that is embedded."""

    DETECT = "detect"
    CAPTION = "caption"
    BOTH = "both"

    @property
    def stages(self) -> frozenset[Stage]:
        """The stages whose results it uses. Topics are computed from the caption, so they need it."""
        caption, detect = {Stage.CAPTION, Stage.TOPICS}, {Stage.DETECT}
        return frozenset({"detect": detect, "caption": caption, "both": caption | detect}[self.value])
