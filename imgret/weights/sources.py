"""What the names of weights in the settings mean, where those weights lie, and which they are.

A name is one of
- `none`: the stage is not wanted;
- `wordllama`: the small embedder that comes with its package (the embed stage alone);
- a local file or folder: it begins with `/`, `./`, `../` or `~`, or ends in `.onnx`, or in `.pt` without
  being an official release; a relative one is looked for beside the configuration file;
- an official release of ultralytics, such as `yolov8m-oiv7.pt`: `models pull` gets it into our models folder,
  and no file of that name elsewhere is ever taken for it;
- anything else: a repository of the model hub, in the hub's own cache (HF_HUB_CACHE, HF_HOME).

A YOLO `.pt` is a pickle. ultralytics is told to refuse everything in it but the classes it knows, and only
the official release or a file named in the settings is loaded at all; ONNX is the safe way all the same.

Cheap: nothing here imports torch, transformers or the hub's library.
"""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Mapping
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from imgret.config import NONE, WORDLLAMA, Places, Settings
from imgret.errors import ImgretError, WeightsError, WeightsMissing
from imgret.photo import ModelIdentity, Stage
from imgret.weights import record, vetting

STAGES = (Stage.CAPTION, Stage.DETECT, Stage.TOPICS, Stage.EMBED)
RELEASE = "v8.4.0"  # of ultralytics' assets, where the settings pin no other
BRANCH = "main"  # of a hub repository, likewise

_OFFICIAL = re.compile(r"yolo(v3|v5|v8|v9|v10|11|12|26)[a-z0-9-]*\.pt")
_LOCAL_PREFIXES = ("/", "./", "../", "~")
_WEIGHT_FILES = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)


class Kind(StrEnum):
    """Where weights come from."""

    HUB = "hub"
    RELEASE = "release"
    LOCAL = "local"
    PACKAGED = "packaged"
    NONE = "none"


class Weights(Struct, frozen=True):
    """The weights of one stage as the settings name them."""

    stage: Stage
    kind: Kind
    name: str  # as in the settings
    pinned: str | None  # revision, as in the settings
    path: str | None  # file or folder; None while a hub repository is not on this disk
    present: bool  # whether they can be loaded now
    revision: str | None  # commit id or "sha256:..."; None where not present
    problem: str | None = None  # a sentence where not present
    hint: str = ""  # and what to do about it

    @property
    def key(self) -> str:
        """The name they are recorded by."""
        return f"{self.name}@{self.pinned}" if self.pinned else self.name


def kind(name: str) -> Kind:
    """What a name in the settings means; the file system is not asked."""
    if name == NONE:
        return Kind.NONE
    if name == WORDLLAMA:
        return Kind.PACKAGED
    if name.startswith(_LOCAL_PREFIXES):
        return Kind.LOCAL
    if _OFFICIAL.fullmatch(name):
        return Kind.RELEASE
    return Kind.LOCAL if name.endswith((".pt", ".onnx")) else Kind.HUB


def locate(
    stage: Stage, settings: Settings, places: Places, environ: Mapping[str, str] = os.environ
) -> Weights:
    """The weights of `stage` under these settings: what and where they are, and whether they are there.

    Raises WeightsError when the record of pulls is damaged.
    """
    table = getattr(settings, stage.value)
    name, pinned = table.weights, table.revision
    what = kind(name)
    if what is Kind.NONE:
        return Weights(stage, what, name, None, None, present=False, revision=None)
    if what is Kind.LOCAL:
        return _local(stage, name, pinned, places)
    if what is Kind.PACKAGED:
        return _packaged(stage, places)
    found = Weights(stage, what, name, pinned, None, present=False, revision=None)
    recorded = record.read(os.path.join(places.state, record.PULLED)).get(found.key)
    if what is Kind.HUB:
        return _hub(found, recorded, hub_folder(name, environ))
    path = release_path(found, places)
    return _found(found, path, recorded.revision) if recorded and os.path.isfile(path) else _missing(found)


def checked(weights: Weights, places: Places, *, full: bool = False) -> str:
    """The path to load, once every file there is held to the record and none names program code.

    Raises WeightsMissing where they are not there, WeightsError naming the file that differs or is refused.
    `full` reads every byte again, as `models verify` does.
    """
    if not weights.present or weights.path is None:
        raise WeightsMissing(weights.problem or f"{weights.name} is not on this disk", weights.hint)
    where = os.path.join(places.state, record.PULLED)
    recorded = record.read(where).get(weights.key) if weights.kind in (Kind.HUB, Kind.RELEASE) else None
    if recorded:
        held = record.hold(weights.path, recorded, full=full)
        if held != recorded:
            _remember(where, weights.key, held)
    if weights.kind is not Kind.PACKAGED:
        vetting.check(weights.path)
    return weights.path


def identity(weights: Weights, settings: Settings) -> ModelIdentity:
    """Name, revision and settings of weights that are present.

    `auto` stands as it is written: the same library on a machine with and without a GPU keeps its results.
    """
    if weights.revision is None:
        raise WeightsMissing(weights.problem or f"{weights.name} is not on this disk", weights.hint)
    shaped = {
        Stage.CAPTION: f"beams={settings.caption.beams} tokens={settings.caption.max_tokens}"
        f" dtype={settings.caption.dtype}",
        Stage.DETECT: f"confidence={settings.detect.confidence:g}"
        + ("" if settings.detect.dtype == "auto" else f" dtype={settings.detect.dtype}"),
        Stage.TOPICS: f"threshold={settings.topics.threshold:g}",
        Stage.EMBED: "" if weights.kind is Kind.PACKAGED else f"dtype={settings.embed.dtype}",
    }
    name = weights.name
    if weights.kind is Kind.LOCAL and weights.path:
        name = os.path.basename(weights.path.rstrip("/"))
    return ModelIdentity(name, weights.revision, shaped[weights.stage])


def offline_embedder(places: Places) -> Weights:
    """wordllama's weights, whatever the settings say: what stands in where the embedder's are missing."""
    return _packaged(Stage.EMBED, places)


def hub_cache(environ: Mapping[str, str] = os.environ) -> str:
    """The folder of the hub's own cache, by the hub's own rules."""
    if environ.get("HF_HUB_CACHE"):
        return os.path.expanduser(environ["HF_HUB_CACHE"])
    home = environ.get("HF_HOME")
    if not home:
        cache = environ.get("XDG_CACHE_HOME") or os.path.join(environ.get("HOME") or "~", ".cache")
        home = os.path.join(cache, "huggingface")
    return os.path.join(os.path.expanduser(home), "hub")


def hub_folder(name: str, environ: Mapping[str, str] = os.environ) -> str:
    """Where the hub's cache keeps a repository: `blobs/`, `refs/` and `snapshots/` lie below it."""
    return os.path.join(hub_cache(environ), "models--" + name.replace("/", "--"))


def release_path(weights: Weights, places: Places) -> str:
    """Where the file of an official release lies, or will."""
    return os.path.join(places.models, "ultralytics", weights.pinned or RELEASE, weights.name)


def _hub(found: Weights, recorded: record.Record | None, folder: str) -> Weights:
    revision = recorded.revision if recorded else _resolved(folder, found.pinned or BRANCH)
    if revision:
        snapshot = os.path.join(folder, "snapshots", revision)
        # What another program put into the shared cache is used too, once it is whole.
        whole = (
            all(os.path.exists(os.path.join(snapshot, name)) for name in recorded.files)
            if recorded
            else any(os.path.exists(os.path.join(snapshot, name)) for name in _WEIGHT_FILES)
        )
        if whole:
            return _found(found, snapshot, revision)
    return _missing(found)


def _resolved(folder: str, asked: str) -> str | None:
    """The commit that a branch, a tag or a commit id stands for in the hub's cache."""
    if os.path.isdir(os.path.join(folder, "snapshots", asked)):
        return asked
    try:
        with open(os.path.join(folder, "refs", asked), encoding="ascii") as file:
            return file.read().strip()
    except (OSError, UnicodeDecodeError):
        return None


def _local(stage: Stage, name: str, pinned: str | None, places: Places) -> Weights:
    path = os.path.normpath(os.path.join(os.path.dirname(places.config), os.path.expanduser(name)))
    problem = None
    if not os.path.exists(path):
        problem = f"{path} does not exist"
    elif stage is Stage.DETECT and not (os.path.isfile(path) and path.endswith((".pt", ".onnx"))):
        problem = f"{path} is not a .pt or .onnx file"
    elif stage is not Stage.DETECT and not os.path.isfile(os.path.join(path, "config.json")):
        problem = f"{path} is not a folder with a config.json"
    found = Weights(stage, Kind.LOCAL, name, pinned, path, present=False, revision=None)
    if problem is None:
        try:
            revision = _surveyed(path, places)
        except OSError as error:
            problem = f"{path} cannot be read: {error.strerror}"
        else:
            if pinned in (None, revision):
                return _found(found, path, revision)
            problem = f"{path} is {revision}, while {pinned} is pinned"
    return _missing(found, problem, f"Correct [{stage}] in {places.config}.")


def _packaged(stage: Stage, places: Places) -> Weights:
    found = Weights(stage, Kind.PACKAGED, WORDLLAMA, None, None, present=False, revision=None)
    spec = importlib.util.find_spec("wordllama")
    origin = spec.origin if spec else None
    if stage is not Stage.EMBED:
        return _missing(
            found, "wordllama is an embedder and nothing else", "Use it as `weights` under [embed]."
        )
    if not origin:
        return _missing(
            found, "the package wordllama is not installed", "Install it: `pip install wordllama`."
        )
    path = os.path.join(os.path.dirname(origin), "weights", "l2_supercat_256.safetensors")
    return _found(found, path, _surveyed(path, places))


def _surveyed(path: str, places: Places) -> str:
    """`sha256:...` of a file or folder, looked up where it is unchanged."""
    where = os.path.join(places.state, record.LOCAL)
    try:
        known = record.read(where).get(path)
    except WeightsError:
        known = None  # only a cache: it is written anew
    fresh = record.survey(path, known)
    if fresh != known:
        _remember(where, path, fresh)
    return fresh.revision


def _remember(where: str, key: str, fresh: record.Record) -> None:
    """Keep what was computed; on a disk that cannot be written it is computed again next time."""
    try:
        record.put(where, key, fresh)
    except ImgretError:
        return


def _found(weights: Weights, path: str, revision: str) -> Weights:
    return replace(weights, path=path, present=True, revision=revision)


def _missing(weights: Weights, problem: str = "", hint: str = "") -> Weights:
    return replace(
        weights,
        problem=problem or f"{weights.key} is not on this disk",
        hint=hint or WeightsMissing.hint,
    )
