"""The recipes that are compared: which results of a photo are searched.

`detect`, `caption` and `both` are the rows in the tables of the baseline recipe (*image-retrieval*).
"""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum

from imgret.stages import registry


class Recipe(StrEnum):
    """The results of a photo that are searched. A photo's file name always counts among its words."""

    DETECT = "detect"  # the counts of objects
    CAPTION = "caption"  # the captions
    IMAGE = "image"  # the vector of the image
    BOTH = "both"  # the image and its text: the vector of the image, if there is one, captions and counts
    ALL = "all"  # the results of all stages, those of other packages included

    @property
    def stages(self) -> frozenset[str]:
        """The stages whose results it uses. Topics are computed from the caption, so they need it."""
        caption, detect, image = {"caption", "topics"}, {"detect"}, {"image"}
        if self is Recipe.ALL:
            return frozenset(registry.installed().names) - {"embed"}
        used = {"detect": detect, "caption": caption, "image": image, "both": caption | detect | image}
        return frozenset(used[self.value])

    @property
    def has_text(self) -> bool:
        """Whether it has texts to embed and words to search."""
        return self is not Recipe.IMAGE

    def lacking(self, has: Collection[str]) -> str | None:
        """Return a stage that is needed for this recipe, if only the stages in `has` have results; None if none is."""
        needed = {"detect": ["detect"], "caption": ["caption"], "image": ["image"], "both": ["caption"]}
        for stage in needed.get(self.value, []):
            if stage not in has:
                return stage
        if self is Recipe.BOTH and not {"detect", "image"}.intersection(has):
            return "detect"
        if self is Recipe.ALL and not {"caption", "detect", "image"}.intersection(has):
            return "caption"
        return None

    def rankings(self, ranks: Collection[str], has: Collection[str]) -> tuple[str, ...]:
        """Return those of `ranks` for which it has what they search, if the stages in `has` have results."""
        seen = "image" in has and "image" in self.stages
        # Of images alone, the joined ranking is that of the images.
        joined = self.has_text or "image" not in ranks
        able = {"vector": self.has_text, "words": self.has_text, "image": seen, "hybrid": joined}
        return tuple(rank for rank in ranks if able[rank])

    def read_by(self, rank: str, has: Collection[str]) -> frozenset[str]:
        """Return the stages whose results a ranking of this recipe reads, if the stages in `has` have results.

        Two recipes of which a ranking reads the same get the same ranks.
        """
        used = self.stages.intersection(has)
        images = used.intersection({"image"})
        return {"image": images, "hybrid": used}.get(rank, used - images)
