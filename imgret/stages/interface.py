"""What a stage says of itself, what its model does, and the data that pass between them.

A stage is one step from a photo to a result: a caption, the objects in the picture, vectors. It is one
module with an instance of a subclass of `Stage`, called `STAGE`; everything else iterates over the registry
(`imgret.stages.registry`). This module imports no model and neither torch nor numpy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from imgret.photo import ModelIdentity, Tag
from imgret.weights import BUILT_IN

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from imgret.errors import PhotoError
    from imgret.places import Places
    from imgret.weights.sources import Weights

    Pixels = NDArray[np.uint8]  # (height, width, 3), RGB, upright
    Vectors = NDArray[np.float32]  # (rows, dimension), unit norm

Meant = Callable[[str, Iterable[str]], Sequence[str]]  # a word and labels -> those of them that it means

DECODE = "decode"  # the first stage by name: the file's facts and the hash of its pixels; it has no model
FILE, PIXELS, NOTE, NAMES = "file", "pixels", "note", "names"
SOURCES = frozenset({FILE, PIXELS, NOTE, NAMES})  # inputs that are not results of stages


class StageSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """A stage's table in config.toml. A subclass adds keys, each with a default."""

    weights: str = BUILT_IN
    revision: str | None = None


class TextColumn(NamedTuple):
    """A column of the words index."""

    name: str
    weight: float = 1.0  # how much a word in it counts


class Item(NamedTuple):
    """One photo, as a model gets it. What its stage does not name in `inputs` may be missing."""

    pixels: Pixels | None = None
    results: Mapping[str, Any] = {}  # stage -> payload, of the stages that have a result for this photo
    note: str | None = None
    names: str = ""  # the words of the names of the file and its folders
    path: bytes = b""  # absolute


class Result(NamedTuple):
    """What a model says of one photo."""

    payload: Any
    vectors: Mapping[str, NDArray[np.float32]] = {}  # view -> (dimension,), unit norm


class StageModel:
    """A loaded model. One thread at a time calls it."""

    identity: ModelIdentity
    dimension = 0  # of its vectors; 0: it makes none

    def run(self, items: Sequence[Item]) -> Sequence[Result | PhotoError]:
        """One result for each item, in order; a batch gives the same as its items one by one.

        A PhotoError as a result fails that photo. An exception fails the batch, whose items are then tried
        one by one; running out of memory halves the batch.
        """
        raise NotImplementedError

    def encode_query(self, texts: Sequence[str], results: Sequence[Mapping[str, Any]]) -> Vectors:
        """The vectors of a search's texts: (texts, dimension), unit norm; zeros for a text that says nothing here.

        `results` has for each text the payloads of the stages in `Stage.query_inputs`.
        """
        raise NotImplementedError

    def close(self) -> None:
        """Release the memory, on the GPU too. The object is not used again."""


class Stage:
    """A stage. Attributes and methods without a default must be given; see `docs/stages.md`."""

    name: str  # also its table in config.toml, and its name in the store
    inputs: tuple[str, ...]  # of SOURCES, and names of other stages
    requires: tuple[str, ...] | None = None  # stages of `inputs` that it waits for; None: all of them
    tier: int = 3  # cost: 0 file facts, 1 image embedding, 2 detection and text in the picture, 3 the rest
    settings: type[StageSettings] = StageSettings
    ranges: Mapping[str, tuple[float, float]] = {}  # setting -> its least and its greatest value
    demo: str = ""  # its tiny weights in `imgret/demo/models`
    version: str = ""  # of its own code, for a stage without weights: another version computes results again
    payload: Any = Any  # the type of its results, which msgspec reads from JSON
    noun: str  # what its results are called, in the plural: "captions"
    lack: str = ""  # what photos lack without it, one clause; "": "no NOUN"

    columns: tuple[TextColumn, ...] = ()  # its columns of the words index
    kinds: tuple[str, ...] = ()  # of the tags that it makes
    views: tuple[str, ...] = ()  # of the vectors that it makes; the first one leads
    vector_weight: float = 1.0  # of a standard deviation of its cosines, beside one of the text vectors
    batch: float = 1.0  # photos at once, as a multiple of those that a model that looks at pixels takes
    turn: int | None = None  # photos after which a search may use the model in between; None: after a batch

    # Its model

    def locate(self, settings: Any, places: Places) -> Weights:
        """Which weights the settings name, where they are, and whether they are there. Loads nothing."""
        from imgret.weights import sources

        if settings.weights == BUILT_IN:
            return sources.built_in(self.name, self.version)
        return sources.locate(self.name, settings.weights, settings.revision, places)

    def shape(self, settings: Any) -> str:
        """The settings that change results, as text: when it changes, results are computed again."""
        keys = [key for key in settings.__struct_fields__ if key not in ("weights", "revision")]
        return " ".join(f"{key}={getattr(settings, key)}" for key in keys)

    def identity(self, settings: Any, places: Places) -> ModelIdentity | None:
        """Which model these settings give; None while its weights are not there. Loads nothing."""
        weights = self.locate(settings, places)
        if not weights.present or weights.revision is None:
            return None
        return ModelIdentity(weights.public_name, weights.revision, self.shape(settings))

    def checked(self, settings: Any, places: Places) -> tuple[str, ModelIdentity]:
        """For `load`: the path of the weights, once they are what was recorded; and the identity of the model.

        Raises WeightsError.
        """
        from imgret.weights import sources

        weights = self.locate(settings, places)
        path = sources.checked(weights, places)
        return path, ModelIdentity(weights.public_name, weights.revision or "", self.shape(settings))

    def stand_in(self, settings: Any) -> Any:
        """Settings to use while the weights of `settings` are missing; None: the stage waits for them."""
        return None

    def settings_of(self, identity: ModelIdentity, settings: Any, places: Places) -> Any:
        """Settings that name the model `identity`, as far as that is known.

        After a change of models the old vectors are searched until the new ones are complete.
        """
        from imgret.weights import sources

        name, revision = sources.named(identity, places)
        return replace(settings, weights=name, revision=revision)

    def load(self, settings: Any, places: Places, device: str) -> StageModel:
        """Load the model. `device` is "auto" or a name such as "cuda:1". Imports of libraries belong in here.

        Raises WeightsError, a sentence with advice, when it cannot be loaded.
        """
        raise NotImplementedError

    # What the search gets

    def texts(self, payload: Any) -> Mapping[str, str]:
        """Column -> the words that a photo is found by."""
        return {}

    def tags(self, payload: Any) -> Sequence[Tag]:
        """The tags, each (kind, label) once."""
        return ()

    def query_inputs(self, identity: ModelIdentity | None) -> tuple[str, ...]:
        """Stages that are run over a search's texts before `encode_query` of this model; None: of any model."""
        return ()

    # How it shows

    def json(self, payload: Any | None) -> dict[str, Any]:
        """The keys that it adds to the JSON of a photo; None: there is no result."""
        return {self.name: payload}

    def rows(self, shown: Mapping[str, Any]) -> Sequence[tuple[str, str]]:
        """(label, text) rows of `imgret show` and of the picker, from the JSON of a photo."""
        return ()

    def why(self, shown: Mapping[str, Any], word: str, meant: Meant) -> Sequence[str]:
        """What to say in *why* for a word of the question that matched; nothing: the word itself.

        `meant(word, labels)` gives those of some labels that a word means: "dogs" means "dog".
        """
        return ()

    # What follows from the above

    @property
    def stages(self) -> tuple[str, ...]:
        """The stages among its inputs."""
        return tuple(name for name in self.inputs if name not in SOURCES)

    @property
    def required(self) -> tuple[str, ...]:
        """The stages that it waits for, unless they are switched off."""
        return self.stages if self.requires is None else self.requires

    @property
    def lacking(self) -> str:
        """What photos lack without it, as one clause."""
        return self.lack or f"no {self.noun}"

    def decode(self, payload: str | bytes) -> Any:
        """The payload that was saved as this JSON."""
        return msgspec.json.decode(payload, type=self.payload)
