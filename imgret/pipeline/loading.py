"""Loads the models that the settings name, and explains why one is missing.

`identities` returns the identities of these models without loading them; `load_model` and `load_model_of` load a model for
searches; `load_models` loads the models for describing photos. Only the libraries of requested models are imported.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Collection
from typing import Any

from msgspec.structs import replace

from imgret.config import Places, Settings
from imgret.errors import ImgretError, WeightsError, WeightsMissing
from imgret.limits import as_sentence, must_propagate, shortage
from imgret.models import torch_device
from imgret.photo import ModelIdentity
from imgret.pipeline.models import Models
from imgret.stages import registry
from imgret.stages.interface import Stage, StageModel, StageSettings
from imgret.weights import NONE, sources
from imgret.weights.sources import Weights

OnSkip = Callable[[str, str], None]  # called with a stage and the reason why it is skipped


def resolved(stage: Stage, settings: Settings, places: Places, device: str | None = None) -> Any:
    """Return the table of a stage with the weights that it uses on this machine. `device` overrides the settings."""
    return stage.resolved(settings.of(stage.name), places, device or _first(settings.device))


def locate(stage: Stage, settings: Settings, places: Places) -> Weights:
    """Return the name, the path and the presence of the weights of a stage. Loads nothing.

    Raises WeightsError if the record of downloads is damaged.
    """
    table = resolved(stage, settings, places)
    if table.weights == NONE:
        return sources.switched_off(stage.name)
    try:
        return _runnable(stage, table, stage.locate(table, places))
    except ImgretError:
        raise
    except Exception as error:  # a stage of another package
        return sources.unusable(stage.name, table.weights, as_sentence(error))


def locate_each(stage: Stage, settings: Settings, places: Places) -> list[Weights]:
    """Do the same as `locate` for each model that a stage uses; most use one."""
    table = settings.of(stage.name)
    tables = (table,) if table.weights == NONE else stage.tables(table)
    return [locate(stage, settings.with_tables(**{stage.name: each}), places) for each in tables]


def load_models(
    settings: Settings,
    places: Places,
    stages: Collection[str] | None = None,
    *,
    on_skip: OnSkip | None = None,
    device: str | None = None,
) -> Models:
    """Load the models of `stages` (default: all).

    A stage whose weights are missing or invalid is in `Models.missing` with a message, and `on_skip` is called. If it
    has a stand-in, that model is loaded as well, because photos can then be searched. A stage with the weights `none`
    is in `Models.disabled`. `device` overrides the settings. Without it, if the settings have several devices, the
    models of all but the first are in `Models.peers`, and a device that cannot run all stages of the first is in
    `Models.unused_devices`.

    Raises Shortage if the machine lacks memory, threads or descriptors to load them now.
    """
    if device is None and isinstance(settings.device, tuple) and len(settings.device) > 1:
        models = load_models(settings, places, stages, on_skip=on_skip, device=settings.device[0])
        for position, further in enumerate(settings.device[1:], 1):
            peer = load_models(settings, places, stages, device=further)
            peer.position = position
            _add_peer(models, further, peer)
        return models
    on = device or _first(settings.device)
    models = Models()
    for stage in registry.installed().stages:
        if stages is not None and stage.name not in stages:
            continue
        table = resolved(stage, settings, places, on)
        if table.weights == NONE:
            models.disabled.add(stage.name)
            continue
        if stage.from_decoder:
            identity, error = _of_decoder(stage, table, places)
            if identity is not None:
                models.decoded[stage.name] = identity
        else:
            model, error = _loaded(stage, table, places, on)
            if model is not None:
                models.loaded[stage.name] = model
        if error is not None:
            models.missing[stage.name] = sentence(stage, error)
            if on_skip:
                on_skip(stage.name, models.missing[stage.name])
    torch_device.release_openmp_threads()
    return models


def load_model(stage: Stage, settings: Settings, places: Places) -> StageModel:
    """Load the model of one stage, or its stand-in if its weights are missing.

    Raises WeightsError if the stage is disabled or the weights differ from the record of their download.
    """
    table = resolved(stage, settings, places)
    if table.weights == NONE:
        raise WeightsError(
            f"the stage {stage.name} is switched off",
            f"Set `weights` under [{stage.name}] in {places.config}.",
        )
    instead = stage.stand_in(table)
    if instead is not None and not locate(stage, settings, places).present:
        table = instead
    return _load(stage, table, places, _first(settings.device))


def load_model_of(stage: Stage, identity: ModelIdentity, settings: Settings, places: Places) -> StageModel:
    """Load the model `identity`, that of the settings or an earlier one, to encode queries.

    Raises WeightsError if its weights are no longer on this disk.
    """
    table = resolved(stage, settings, places)
    for candidate in (table, stage.settings_of(identity, table, places)):
        if candidate.weights != NONE and stage.identity(candidate, places) == identity:
            return _load(stage, candidate, places, _first(settings.device), for_queries=True)
    raise WeightsError(
        f"the vectors of [{stage.name}] were computed by {identity.name}, whose weights are not on this disk",
        f"Run `imgret index` to recompute them, or name these weights under [{stage.name}] in {places.config}.",
    )


def identities(settings: Settings, places: Places) -> dict[str, ModelIdentity]:
    """Return the identity of the model that each stage would use now; stages without one are left out.

    If the weights are missing, the identity of the stand-in is returned, if there is one. Fast: torch is not imported,
    nothing is loaded, and hashes of local files are cached.
    """
    found = {}
    for stage in registry.installed().stages:
        if not settings.wants(stage.name):
            continue
        table: StageSettings | None = resolved(stage, settings, places)
        if not locate(stage, settings, places).present:
            table = stage.stand_in(table)
        identity = stage.identity(table, places) if table is not None else None
        if identity is not None:
            found[stage.name] = identity
    return found


def missing(settings: Settings, places: Places) -> dict[str, str]:
    """Return the stages whose weights are not on this disk, each with a message about the consequences."""
    found = {}
    for stage in registry.installed().stages:
        weights = locate(stage, settings, places)
        if weights.kind is not sources.Kind.NONE and not weights.present:
            error = WeightsMissing(weights.problem or f"{weights.name} is missing", weights.hint)
            found[stage.name] = sentence(stage, error)
    return found


def sentence(stage: Stage, error: WeightsError) -> str:
    """Return a message: what photos lack without this stage, and why."""
    return f"{stage.lacking}: {error}. {error.hint}".strip()


def _runnable(stage: Stage, table: StageSettings, weights: Weights) -> Weights:
    """Return the weights; as missing, if a package that runs them is not installed. Imports none of them."""
    for module, requirement in stage.packages(table, weights.path).items():
        if sys.modules.get(module) is None and importlib.util.find_spec(module) is None:
            problem = f"{weights.name} needs the package {module.replace('_', '-')}"
            hint = f"Install it: `pip install '{requirement}'`."
            return replace(weights, present=False, problem=problem, hint=hint, needs=module)
    return weights


def _load(
    stage: Stage, table: StageSettings, places: Places, on: str, *, for_queries: bool = False
) -> StageModel:
    """Load a model. Raises WeightsError or Shortage."""
    try:
        return (stage.load_for_queries if for_queries else stage.load)(table, places, on)
    except BaseException as error:
        if must_propagate(error):
            raise
        raise _as_weights_error(stage, table, error) from error


def _loaded(
    stage: Stage, table: StageSettings, places: Places, on: str
) -> tuple[StageModel | None, WeightsError | None]:
    """Load a model or its stand-in. Return it, and the error if it is not the model of these settings."""
    try:
        weights = _runnable(stage, table, stage.locate(table, places))
        if not weights.present:
            raise WeightsMissing(weights.problem or f"{weights.name} is not on this disk", weights.hint)
        return stage.load(table, places, on), None
    except BaseException as error:  # third-party files and libraries can raise anything
        if must_propagate(error):
            raise
        reason = _as_weights_error(stage, table, error)
    try:
        instead = stage.stand_in(table)
        return (_load(stage, instead, places, "cpu") if instead is not None else None), reason
    except WeightsError:
        return None, reason


def _of_decoder(
    stage: Stage, table: StageSettings, places: Places
) -> tuple[ModelIdentity | None, WeightsError | None]:
    """Return the identity of a stage whose results the decoder reads, or why its settings name none."""
    try:
        return stage.checked(table, places)[1], None
    except WeightsError as error:
        return None, error


def _add_peer(models: Models, device: str, peer: Models) -> None:
    """Add the models of another device, if it can run all stages of the first one."""
    lacking = models.stages() - peer.stages()
    if lacking or peer.missing.keys() != models.missing.keys():
        reasons = "; ".join(dict.fromkeys(peer.missing.values()))
        models.unused_devices[device] = f"the device {device!r} is not used: {reasons}"
        peer.close()
    else:
        models.peers.append(peer)


def _as_weights_error(stage: Stage, table: StageSettings, error: BaseException) -> WeightsError:
    """Convert the error of a loader. Raises Shortage if a lack of resources is the cause, not the weights."""
    lacking = shortage(error.__cause__ or error)
    if lacking is not None:
        raise lacking from error
    if isinstance(error, WeightsError):
        return error
    return WeightsError(
        f"{table.weights} cannot be loaded: {as_sentence(error)}",
        f"Correct [{stage.name}] in the configuration, or download the weights again.",
    )


def _first(device: str | tuple[str, ...]) -> str:
    if isinstance(device, str):
        return device
    return device[0] if device else "auto"
