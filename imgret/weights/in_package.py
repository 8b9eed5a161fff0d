"""Weights in an installed package, beside the code that uses them."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os

from msgspec.structs import replace

from imgret.places import Places
from imgret.weights.sources import Kind, Weights, surveyed


def locate(
    stage: str, package: str, folder: str, files: tuple[str, ...], places: Places, *, needs: str, install: str
) -> Weights:
    """Return the weights `files` in a folder of a package, or those that are a single file.

    The version of the package is part of their name.

    `needs` is another package that runs them, and `install` the requirement for pip. Neither package is imported.
    """
    found = Weights(stage, Kind.PACKAGED, package, None, None, present=False, revision=None)
    spec = importlib.util.find_spec(package)
    lacking = package if spec is None else needs if importlib.util.find_spec(needs) is None else None
    if spec is None or spec.origin is None or lacking is not None:
        problem = f"the package {(lacking or package).replace('_', '-')} is not installed"
        return replace(
            found, needs=lacking or package, problem=problem, hint=f"Install it: `pip install {install}`."
        )
    found = replace(found, name=f"{package}-{importlib.metadata.version(package)}")
    path = os.path.join(os.path.dirname(spec.origin), folder)
    for name in files or (folder,):
        if not os.path.isfile(os.path.join(path, name) if files else path):
            problem = f"{found.name} has no file {name}"
            return replace(found, problem=problem, hint="Install the version in constraints.txt.")
    return replace(found, path=path, present=True, revision=surveyed(path, places))
