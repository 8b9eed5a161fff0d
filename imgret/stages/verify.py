"""Check each result against the attributes of its stage, so that a wrong result fails one photo."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from imgret.errors import PhotoError
from imgret.stages.interface import Result, Stage, StageModel

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# of a vector's length: bf16 models are off by less; anything further off is no unit vector
NORM_TOLERANCE = 0.02


def verify(stage: Stage, model: StageModel, result: object) -> None:
    """Raise PhotoError for a result that cannot be saved or searched, and whatever the stage raises for it."""
    if not isinstance(result, Result):
        raise PhotoError(f"the stage {stage.name} gave a {type(result).__name__} in place of a Result")
    for view, vector in result.vectors.items():
        _verify_vector(stage, model, view, vector)
    stage.decode(msgspec.json.encode(result.payload))
    columns = {column.name for column in stage.columns}
    if unknown := stage.texts(result.payload).keys() - columns:
        raise PhotoError(
            f"the stage {stage.name} gave texts of {', '.join(sorted(unknown))}, which it has not"
        )
    if unknown := {tag.kind for tag in stage.tags(result.payload)} - set(stage.kinds):
        raise PhotoError(
            f"the stage {stage.name} gave tags of {', '.join(sorted(unknown))}, which it has not"
        )


def _verify_vector(stage: Stage, model: StageModel, view: str, vector: NDArray[np.float32]) -> None:
    """A vector of zeros, NaN or another length would hide its true neighbours from every search."""
    import numpy as np

    if view not in stage.views:
        raise PhotoError(f"the stage {stage.name} gave a vector of {view}, which it has not")
    if np.shape(vector) != (model.dimension,):
        raise PhotoError(
            f"the stage {stage.name} gave a vector of shape {np.shape(vector)} instead of ({model.dimension},)"
        )
    norm = float(np.linalg.norm(vector))
    if not abs(norm - 1) <= NORM_TOLERANCE:  # NaN is not
        raise PhotoError(
            f"the stage {stage.name} gave a vector of length {norm:.3f} instead of 1", transient=True
        )
