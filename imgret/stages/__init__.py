"""Stages: the steps from a photo to what can be found, shown and compared. See `docs/stages.md`.

A package that brings a stage of its own imports these names and nothing else of imgret.
"""

from imgret.errors import PhotoError, WeightsError
from imgret.photo import ModelIdentity, Tag
from imgret.stages.interface import Item, Result, Stage, StageModel, StageSettings, TextColumn
from imgret.weights import BUILT_IN

__all__ = [
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
