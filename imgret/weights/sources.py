"""Interpret the names of weights in the settings: where the weights are, and which revision they have.

A name is one of
- `none`: the stage is disabled;
- `wordllama`: the small embedder whose weights are part of its package (only for the embed stage);
- a local file or folder: it begins with `/`, `./`, `../` or `~`, or ends with `.onnx`, or with `.pt` without being an
  official release; a relative path is relative to the configuration file;
- an official release of ultralytics, such as `yolov8m-oiv7.pt`: `models pull` downloads it to imgret's models folder,
  and a file of the same name elsewhere is never used instead;
- any other name: a repository of the model hub, in the hub's own cache (HF_HUB_CACHE, HF_HOME).

A YOLO `.pt` is a pickle. ultralytics refuses all classes in it except its own, and only the official release or a file
named in the settings is loaded. ONNX files are safer.

Importing this module imports neither torch nor transformers nor the hub's library.
"""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Mapping
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from imgret.errors import ImgretError, WeightsError, WeightsMissing
from imgret.photo import ModelIdentity
from imgret.places import Places
from imgret.weights import BUILT_IN, NONE, WORDLLAMA, record, vetting

RELEASE = "v8.4.0"  # the release of ultralytics' assets if the settings do not pin one
BRANCH = "main"  # the branch of a hub repository if the settings do not pin a revision

_OFFICIAL = re.compile(r"yolo(v3|v5|v8|v9|v10|11|12|26)[a-z0-9-]*\.pt")
_LOCAL_PREFIXES = ("/", "./", "../", "~")
_MODEL_FILES = ("config.json", "modules.json")  # the second alone: a static embedder of sentence-transformers
_WEIGHT_FILES = (
    "0_StaticEmbedding/model.safetensors",
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)


class Kind(StrEnum):
    """The origin of weights."""

    HUB = "hub"
    RELEASE = "release"
    LOCAL = "local"
    PACKAGED = "packaged"
    NONE = "none"


class Weights(Struct, frozen=True):
    """The weights of one stage as the settings name them."""

    stage: str
    kind: Kind
    name: str  # as in the settings
    pinned: str | None  # revision, as in the settings
    path: str | None  # file or folder; None if a hub repository is not on the disk
    present: bool  # whether they can be loaded now
    revision: str | None  # commit id or "sha256:..."; None if not present
    problem: str | None = None  # why they are not present, in one sentence
    hint: str = ""  # what the user can do about the problem
    needs: str | None = None  # the package that would run them, if it is not installed

    @property
    def key(self) -> str:
        """The name in the record of weights."""
        return f"{self.name}@{self.pinned}" if self.pinned else self.name

    @property
    def public_name(self) -> str:
        """The name in the identity of a model: a local file or folder without the folders above it."""
        return os.path.basename(self.path.rstrip("/")) if self.kind is Kind.LOCAL and self.path else self.name


def kind(name: str) -> Kind:
    """Return the origin that a name in the settings refers to, without access to the file system."""
    if name == NONE:
        return Kind.NONE
    if name in (WORDLLAMA, BUILT_IN):
        return Kind.PACKAGED
    if name.startswith(_LOCAL_PREFIXES):
        return Kind.LOCAL
    if _OFFICIAL.fullmatch(name):
        return Kind.RELEASE
    return Kind.LOCAL if name.endswith((".pt", ".onnx")) else Kind.HUB


def locate(
    stage: str,
    name: str,
    pinned: str | None,
    places: Places,
    environ: Mapping[str, str] = os.environ,
    *,
    suffixes: tuple[str, ...] = (),
) -> Weights:
    """Locate the weights `name` of `stage` at the revision `pinned`, and check whether they are on the disk.

    Local weights must be a file with one of `suffixes`, or a folder with a model if there are none. Raises WeightsError
    if the record of downloaded weights is damaged.
    """
    what = kind(name)
    if what is Kind.NONE:
        return switched_off(stage)
    found = Weights(stage, what, name, pinned, None, present=False, revision=None)
    if what is Kind.LOCAL:
        return _local(found, places, suffixes)
    if what is Kind.PACKAGED:
        return _missing(
            found, f"{name} is an embedder and nothing else", "Use it as `weights` under [embed]."
        )
    recorded = record.read(os.path.join(places.state, record.PULLED)).get(found.key)
    if what is Kind.HUB:
        return _hub(found, recorded, hub_folder(name, environ))
    path = release_path(found, places)
    return _found(found, path, recorded.revision) if recorded and os.path.isfile(path) else _missing(found)


def switched_off(stage: str) -> Weights:
    """Return the weights of a disabled stage."""
    return Weights(stage, Kind.NONE, NONE, None, None, present=False, revision=None)


def unusable(stage: str, name: str, problem: str) -> Weights:
    """Return weights that a stage failed to locate, with the problem."""
    found = Weights(stage, Kind.PACKAGED, name, None, None, present=False, revision=None)
    return _missing(found, problem, f"Correct [{stage}] in the configuration, or install its package again.")


def built_in(stage: str, version: str) -> Weights:
    """Return the weights of a stage that needs only its own code; `version` is empty if it needs other weights."""
    if not version:
        found = Weights(stage, Kind.PACKAGED, BUILT_IN, None, None, present=False, revision=None)
        return _missing(found, f"the stage {stage} needs weights", f"Name some as `weights` under [{stage}].")
    return Weights(stage, Kind.PACKAGED, stage, None, None, present=True, revision=version)


def wordllama(stage: str, places: Places) -> Weights:
    """Return the weights of the small embedder, which are part of its package."""
    found = Weights(stage, Kind.PACKAGED, WORDLLAMA, None, None, present=False, revision=None)
    spec = importlib.util.find_spec("wordllama")
    origin = spec.origin if spec else None
    if not origin:
        return _missing(
            found, "the package wordllama is not installed", "Install it: `pip install wordllama`."
        )
    path = os.path.join(os.path.dirname(origin), "weights", "l2_supercat_256.safetensors")
    if not os.path.isfile(path):  # other versions of the package may keep it elsewhere
        return _missing(
            found, f"this version of wordllama has no {path}", "Install the version in constraints.txt."
        )
    return _found(found, path, surveyed(path, places))


def named(identity: ModelIdentity, places: Places) -> tuple[str, str | None]:
    """Return the (weights, revision) for the settings that refer to the model `identity`, as far as they are known."""
    if not identity.revision.startswith("sha256:"):
        return identity.name, identity.revision
    seen = record.read(os.path.join(places.state, record.LOCAL)).items()
    return next((path for path, each in seen if each.revision == identity.revision), identity.name), None


def checked(weights: Weights, places: Places, *, full: bool = False) -> str:
    """Verify the files against the record, check that none refers to code, and return their path; "" for `built_in`.

    Raises WeightsMissing if they are not on the disk, WeightsError naming the file that differs or is refused. With
    `full` every byte is read again, as in `models verify`.
    """
    if not weights.present:
        raise WeightsMissing(weights.problem or f"{weights.name} is not on this disk", weights.hint)
    if weights.path is None:
        return ""
    where = os.path.join(places.state, record.PULLED)
    recorded = record.read(where).get(weights.key) if weights.kind in (Kind.HUB, Kind.RELEASE) else None
    if recorded:
        verified = record.verify(weights.path, recorded, full=full)
        if verified != recorded:
            _remember(where, weights.key, verified)
    if weights.kind is not Kind.PACKAGED:
        vetting.check(weights.path)
    return weights.path


def hub_cache(environ: Mapping[str, str] = os.environ) -> str:
    """Return the folder of the hub's own cache, by the rules of the hub's library."""
    named = environ.get("HF_HUB_CACHE") or environ.get("HUGGINGFACE_HUB_CACHE")
    home = environ.get("HF_HOME")
    if not home:
        cache = environ.get("XDG_CACHE_HOME") or os.path.join(environ.get("HOME") or "~", ".cache")
        home = os.path.join(cache, "huggingface")
    return os.path.expandvars(os.path.expanduser(named or os.path.join(home, "hub")))


def hub_folder(name: str, environ: Mapping[str, str] = os.environ) -> str:
    """Return the folder of a repository in the hub's cache. It contains `blobs/`, `refs/` and `snapshots/`."""
    return os.path.join(hub_cache(environ), "models--" + name.replace("/", "--"))


def release_path(weights: Weights, places: Places) -> str:
    """Return the path for the file of an official release, whether it exists or not."""
    return os.path.join(places.models, "ultralytics", weights.pinned or RELEASE, weights.name)


def _hub(found: Weights, recorded: record.Record | None, folder: str) -> Weights:
    revision = recorded.revision if recorded else _resolved(folder, found.pinned or BRANCH)
    if revision:
        snapshot = os.path.join(folder, "snapshots", revision)
        # Weights that another program downloaded to the shared cache are used too, if they are complete.
        whole = (
            all(os.path.exists(os.path.join(snapshot, name)) for name in recorded.files)
            if recorded
            else any(os.path.exists(os.path.join(snapshot, name)) for name in _WEIGHT_FILES)
        )
        if whole:
            return _found(found, snapshot, revision)
    return _missing(found)


def _resolved(folder: str, revision: str) -> str | None:
    """Return the commit of a branch, a tag or a commit id in the hub's cache; None if it is not there."""
    if os.path.isdir(os.path.join(folder, "snapshots", revision)):
        return revision
    try:
        with open(os.path.join(folder, "refs", revision), encoding="ascii") as file:
            return file.read().strip()
    except (OSError, UnicodeDecodeError):
        return None


def _local(found: Weights, places: Places, suffixes: tuple[str, ...]) -> Weights:
    path = os.path.normpath(os.path.join(os.path.dirname(places.config), os.path.expanduser(found.name)))
    problem = None
    if not os.path.exists(path):
        problem = f"{path} does not exist"
    elif suffixes and not (os.path.isfile(path) and path.endswith(suffixes)):
        problem = f"{path} is not a {' or '.join(suffixes)} file"
    elif not suffixes and not any(os.path.isfile(os.path.join(path, name)) for name in _MODEL_FILES):
        problem = f"{path} is not a folder with a config.json"
    found = replace(found, path=path)
    if problem is None:
        try:
            revision = surveyed(path, places)
        except OSError as error:
            problem = f"{path} cannot be read: {error.strerror}"
        else:
            if found.pinned in (None, revision):
                return _found(found, path, revision)
            problem = f"{path} is {revision}, while {found.pinned} is pinned"
    return _missing(found, problem, f"Correct [{found.stage}] in {places.config}.")


def surveyed(path: str, places: Places) -> str:
    """Return `sha256:...` of a file or folder, from the cache of hashes if it is unchanged."""
    where = os.path.join(places.state, record.LOCAL)
    try:
        known = record.read(where).get(path)
    except WeightsError:
        known = None  # the cache is damaged and will be rewritten
    fresh = record.survey(path, known)
    if fresh != known:
        _remember(where, path, fresh)
    return fresh.revision


def _remember(where: str, key: str, fresh: record.Record) -> None:
    """Store a record. If the disk is read-only, it is computed again next time."""
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
