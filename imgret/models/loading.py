"""The models that the settings ask for: loaded, stood in for, or missing with a sentence that says so.

`identities` answers *which models would these be* without loading any; `load_embedder` loads what a question
needs; `load_models` loads what describing needs. Only the loaders that are wanted are imported, and torch
only with them.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from msgspec.structs import replace

from imgret.config import WORDLLAMA, Places, Settings
from imgret.errors import WeightsError, WeightsMissing
from imgret.limits import as_sentence, must_end, shortage
from imgret.models import torch_device
from imgret.models.interface import Embedder, Models
from imgret.photo import ModelIdentity, Stage
from imgret.weights import record, sources

if TYPE_CHECKING:
    from imgret.models.interface import Captioner, Detector, TopicClassifier
    from imgret.weights.sources import Weights

OnSkip = Callable[[Stage, str], None]


def load_models(
    settings: Settings,
    places: Places,
    stages: Collection[Stage] | None = None,
    *,
    on_skip: OnSkip | None = None,
    device: str | None = None,
) -> Models:
    """The models of `stages` (all of them by default).

    A stage whose weights are missing or wrong stands in `Models.missing` with a sentence, and `on_skip` is
    told; one set to `none` stands in `Models.disabled`. The embedder is stood in for by wordllama, so that
    what is described can be found: then it is loaded, and stands in `missing` all the same. `device`
    overrides the settings; without it, and with several devices in the settings, the models of all but the
    first stand in `Models.peers`, and a device that cannot do what the first does in `Models.without`.

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
    for stage in sources.STAGES:
        if stages is not None and stage not in stages:
            continue
        try:
            found = sources.locate(stage, settings, places)
            if found.kind is sources.Kind.NONE:
                models.disabled.add(stage)
                continue
            setattr(models, stage.value, _load(found, settings, places, on))
        except BaseException as error:  # the files are strangers', and so are the libraries that read them
            if must_end(error):
                raise
            models.missing[stage] = _sentence(stage, _as_weights_error(stage, settings, error))
            if stage is Stage.EMBED:
                with contextlib.suppress(WeightsError):
                    models.embed = _offline(settings, places)
            if on_skip:
                on_skip(stage, models.missing[stage])
    torch_device.rest()
    return models


def _add_peer(models: Models, device: str, peer: Models) -> None:
    """Photos are described on a further device too, if it can do all that the first can."""
    lacks = models.stages() - peer.stages()
    if lacks or peer.missing.keys() != models.missing.keys():
        said = "; ".join(dict.fromkeys(peer.missing.values()))
        models.without[device] = f"the device {device!r} is not used: {said}"
        peer.close()
    else:
        models.peers.append(peer)


def _as_weights_error(stage: Stage, settings: Settings, error: BaseException) -> WeightsError:
    """What a loader raised, in words. Raises Shortage: that is no fault of the weights."""
    short = shortage(error.__cause__ or error)
    if short is not None:
        raise short from error
    if isinstance(error, WeightsError):
        return error
    name = getattr(settings, stage.value).weights
    return WeightsError(
        f"{name} cannot be loaded: {as_sentence(error)}",
        f"Correct [{stage}] in the configuration, or get the weights again.",
    )


def load_embedder(settings: Settings, places: Places, *, device: str | None = None) -> Embedder:
    """The embedder of questions: the configured one, or wordllama where its weights are missing.

    With wordllama nothing of torch is imported. Raises WeightsError where the settings say `none` or the
    weights are not those of the record.
    """
    found = sources.locate(Stage.EMBED, settings, places)
    if found.kind is sources.Kind.NONE:
        raise WeightsError(
            "the embedder is set to `none`: nothing can be asked by meaning",
            f"Set `weights` under [embed] in {places.config}.",
        )
    if not found.present:
        return _offline(settings, places)
    return _embedder(found, settings, places, device or _first(settings.device))


def load_embedder_of(identity: ModelIdentity, settings: Settings, places: Places) -> Embedder:
    """The embedder that made vectors of `identity`, be it the configured one or one before it.

    Raises WeightsError where its weights are no longer on this disk.
    """
    for candidate in (settings, _embedding_as(identity, settings, places)):
        found = sources.locate(Stage.EMBED, candidate, places)
        if found.present and sources.identity(found, candidate) == identity:
            return _embedder(found, candidate, places, _first(settings.device))
    raise WeightsError(
        f"the photos were embedded by {identity.name}, whose weights are no longer here",
        "Run `imgret index`: it embeds them anew.",
    )


def _embedding_as(identity: ModelIdentity, settings: Settings, places: Places) -> Settings:
    """Settings that name the embedder which `identity` tells of, as far as it can be found again."""
    name, revision = identity.name, None
    if name != WORDLLAMA and identity.revision.startswith("sha256:"):  # a local folder, known by its content
        seen = record.read(os.path.join(places.state, record.LOCAL)).items()
        name = next((path for path, each in seen if each.revision == identity.revision), name)
    elif name != WORDLLAMA:
        revision = identity.revision
    dtype = identity.settings.removeprefix("dtype=") or settings.embed.dtype
    return replace(settings, embed=replace(settings.embed, weights=name, revision=revision, dtype=dtype))


def identities(settings: Settings, places: Places) -> dict[Stage, ModelIdentity]:
    """Which model each stage would use now; disabled stages and those without weights are left out.

    The embed stage is there with wordllama's identity where wordllama would stand in. Fast: torch is not
    imported and nothing is loaded; hashes of local files are remembered.
    """
    found = {}
    for stage in sources.STAGES:
        here = sources.locate(stage, settings, places)
        if stage is Stage.EMBED and not here.present and here.kind is not sources.Kind.NONE:
            here = sources.offline_embedder(places)
        if here.present:
            found[stage] = sources.identity(here, settings)
    return found


def missing(settings: Settings, places: Places) -> dict[Stage, str]:
    """The stages whose weights are not on this disk, each with the sentence that says what that costs."""
    found = (sources.locate(stage, settings, places) for stage in sources.STAGES)
    return {
        each.stage: _sentence(
            each.stage, WeightsMissing(each.problem or f"{each.name} is missing", each.hint)
        )
        for each in found
        if not each.present and each.kind is not sources.Kind.NONE
    }


def _load(
    found: Weights, settings: Settings, places: Places, on: str
) -> Captioner | Detector | TopicClassifier | Embedder:
    if found.stage is Stage.EMBED:
        return _embedder(found, settings, places, on)
    path = sources.checked(found, places)
    identity = sources.identity(found, settings)
    device = _ready(places, on)
    if found.stage is Stage.CAPTION:
        from imgret.models.blip import BlipCaptioner

        return BlipCaptioner(path, identity, settings.caption, device)
    if found.stage is Stage.DETECT:
        from imgret.models.yolo import YoloDetector

        return YoloDetector(path, identity, settings.detect, device)
    from imgret.models.roberta_topics import RobertaTopics

    return RobertaTopics(path, identity, settings.topics, device)


def _embedder(found: Weights, settings: Settings, places: Places, on: str) -> Embedder:
    path = sources.checked(found, places)
    identity = sources.identity(found, settings)
    if found.kind is sources.Kind.PACKAGED:
        from imgret.models.wordllama import WordLlamaEmbedder

        return WordLlamaEmbedder(path, identity)
    device = _ready(places, on)
    from imgret.models.instructor import InstructorEmbedder

    return InstructorEmbedder(path, identity, settings.embed, device)


def _offline(settings: Settings, places: Places) -> Embedder:
    return _embedder(sources.offline_embedder(places), settings, places, "cpu")


def _ready(places: Places, on: str) -> str:
    """The device, once torch may be imported and is set up."""
    torch_device.prepare(places)
    torch_device.threads()
    return torch_device.device(on)


def _first(device: str | tuple[str, ...]) -> str:
    if isinstance(device, str):
        return device
    return device[0] if device else "auto"


def _sentence(stage: Stage, error: WeightsError) -> str:
    lost = {
        Stage.CAPTION: "no captions",
        Stage.DETECT: "no counts of objects",
        Stage.TOPICS: "no topics",
        Stage.EMBED: "the small offline embedder stands in",
    }
    return f"{lost[stage]}: {error}. {error.hint}".strip()
