"""The models that the settings name: loaded, stood in for, or missing with a sentence that says so.

`identities` says which models these would be without loading any; `load_model` loads what a search needs;
`load_models` loads what describing photos needs. Only the libraries of the models that are wanted are imported.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

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

OnSkip = Callable[[str, str], None]  # the stage, and why it is skipped


def locate(stage: Stage, settings: Settings, places: Places) -> Weights:
    """The weights of a stage: what and where they are, and whether they are there. Loads nothing.

    Raises WeightsError when the record of pulls is damaged.
    """
    table = settings.of(stage.name)
    if table.weights == NONE:
        return sources.switched_off(stage.name)
    try:
        return stage.locate(table, places)
    except ImgretError:
        raise
    except Exception as error:  # a stage of another package
        return sources.unusable(stage.name, table.weights, as_sentence(error))


def load_models(
    settings: Settings,
    places: Places,
    stages: Collection[str] | None = None,
    *,
    on_skip: OnSkip | None = None,
    device: str | None = None,
) -> Models:
    """The models of `stages` (all of them by default).

    A stage whose weights are missing or wrong is in `Models.missing` with a sentence, and `on_skip` is called;
    one with the weights `none` is in `Models.disabled`. A stage with a stand-in gets that model, so that photos can be found,
    and is in `missing` all the same. `device` overrides the settings; without it, and with several
    devices in the settings, the models of all but the first are in `Models.peers`, and a device that
    cannot do what the first does is in `Models.without`.

    Raises Shortage when the machine has no memory, thread or descriptor left to load them now.
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
        table = settings.of(stage.name)
        if table.weights == NONE:
            models.disabled.add(stage.name)
            continue
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
    """The model of one stage, or its stand-in where its weights are missing.

    Raises WeightsError where the settings say `none` or the weights are not those of the record.
    """
    table = settings.of(stage.name)
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
    """The model that `identity` names, be it the one of the settings or one before it.

    Raises WeightsError where its weights are no longer on this disk.
    """
    table = settings.of(stage.name)
    for candidate in (table, stage.settings_of(identity, table, places)):
        if candidate.weights != NONE and stage.identity(candidate, places) == identity:
            return _load(stage, candidate, places, _first(settings.device))
    raise WeightsError(
        f"the vectors of [{stage.name}] are of {identity.name}, whose weights are no longer here",
        "Run `imgret index`: it computes them again.",
    )


def identities(settings: Settings, places: Places) -> dict[str, ModelIdentity]:
    """Which model each stage would use now; disabled stages and those without weights are left out.

    A stage with a stand-in has the identity of that one where its own weights are missing. Fast: torch is not
    imported and nothing is loaded; hashes of local files are remembered.
    """
    found = {}
    for stage in registry.installed().stages:
        if not settings.wants(stage.name):
            continue
        table: StageSettings | None = settings.of(stage.name)
        if not locate(stage, settings, places).present:
            table = stage.stand_in(table)
        identity = stage.identity(table, places) if table is not None else None
        if identity is not None:
            found[stage.name] = identity
    return found


def missing(settings: Settings, places: Places) -> dict[str, str]:
    """The stages whose weights are not on this disk, each with the sentence that says what that costs."""
    found = {}
    for stage in registry.installed().stages:
        weights = locate(stage, settings, places)
        if weights.kind is not sources.Kind.NONE and not weights.present:
            error = WeightsMissing(weights.problem or f"{weights.name} is missing", weights.hint)
            found[stage.name] = sentence(stage, error)
    return found


def sentence(stage: Stage, error: WeightsError) -> str:
    """What photos lack without this stage, and why."""
    return f"{stage.lacking}: {error}. {error.hint}".strip()


def _load(stage: Stage, table: StageSettings, places: Places, on: str) -> StageModel:
    """The model. Raises WeightsError, and Shortage."""
    try:
        return stage.load(table, places, on)
    except BaseException as error:
        if must_propagate(error):
            raise
        raise _as_weights_error(stage, table, error) from error


def _loaded(
    stage: Stage, table: StageSettings, places: Places, on: str
) -> tuple[StageModel | None, WeightsError | None]:
    """The model, or its stand-in; and why it is not the model of these settings."""
    try:
        weights = stage.locate(table, places)
        if not weights.present:
            raise WeightsMissing(weights.problem or f"{weights.name} is not on this disk", weights.hint)
        return stage.load(table, places, on), None
    except BaseException as error:  # neither the files nor the libraries that read them are ours
        if must_propagate(error):
            raise
        reason = _as_weights_error(stage, table, error)
    try:
        instead = stage.stand_in(table)
        return (stage.load(instead, places, "cpu") if instead is not None else None), reason
    except WeightsError:
        return None, reason


def _add_peer(models: Models, device: str, peer: Models) -> None:
    """Photos are described on a further device too, if it can do all that the first can."""
    lacks = models.stages() - peer.stages()
    if lacks or peer.missing.keys() != models.missing.keys():
        said = "; ".join(dict.fromkeys(peer.missing.values()))
        models.without[device] = f"the device {device!r} is not used: {said}"
        peer.close()
    else:
        models.peers.append(peer)


def _as_weights_error(stage: Stage, table: StageSettings, error: BaseException) -> WeightsError:
    """What a loader raised, in words. Raises Shortage: that is no fault of the weights."""
    short = shortage(error.__cause__ or error)
    if short is not None:
        raise short from error
    if isinstance(error, WeightsError):
        return error
    return WeightsError(
        f"{table.weights} cannot be loaded: {as_sentence(error)}",
        f"Correct [{stage.name}] in the configuration, or get the weights again.",
    )


def _first(device: str | tuple[str, ...]) -> str:
    if isinstance(device, str):
        return device
    return device[0] if device else "auto"
