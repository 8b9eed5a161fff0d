"""Stages: the steps that compute results for a photo, such as a caption. See `docs/stages.md`.

A package that provides a stage imports these names, and nothing else of imgret.
"""

from imgret.errors import PhotoError, WeightsError
from imgret.photo import ModelIdentity, Tag
from imgret.stages.interface import ALTERNATIVE, Item, Result, Stage, StageModel, StageSettings, TextColumn
from imgret.weights import BUILT_IN

__all__ = [
    "ALTERNATIVE",
    "BUILT_IN",
    "Item",
    "ModelIdentity",
    "PhotoError",
    "Result",
    "Stage",
    "StageModel",
    "StageSettings",
    "Tag",
    "TextColumn",
    "WeightsError",
]
