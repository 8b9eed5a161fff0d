"""The interface of stages and of their models, and the data that they exchange.

A stage computes one kind of result for a photo: a caption, the objects in the image, vectors. It is one
module with an instance of a subclass of `Stage`, called `STAGE`; all other code iterates over the registry
(`imgret.stages.registry`). This module imports no model and neither torch nor numpy.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from imgret.photo import Corners, ModelIdentity, Tag
from imgret.weights import BUILT_IN

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from imgret.errors import PhotoError
    from imgret.places import Places
    from imgret.weights.sources import Weights

    Pixels = NDArray[np.uint8]  # (height, width, 3), RGB, upright
    Vectors = NDArray[np.float32]  # (rows, dimension), unit norm

# (word, labels) -> the labels that the word matches
LabelMatcher = Callable[[str, Iterable[str]], Sequence[str]]

# the name of the first stage: the facts of the file and the hash of its pixels; it has no model
DECODE = "decode"
FILE, PIXELS, NOTE, NAMES, POSITION = "file", "pixels", "note", "names", "position"
SOURCES = frozenset({FILE, PIXELS, NOTE, NAMES, POSITION})  # inputs that are not results of stages
# Between texts of one column that describe the same thing, such as several captions. A word counts as often as in the
# text that has it most often, and only words of one text are near each other.
ALTERNATIVE = "\x1e"


class EntryError(ValueError):
    """An entry of a table of the settings is wrong: raise it in `__post_init__`, so that the message names its line."""

    def __init__(self, message: str, table: str, key: str) -> None:
        super().__init__(message)
        self.table, self.key = table, key


class StageSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """The table of a stage in config.toml. A subclass adds keys, each with a default."""

    weights: str = BUILT_IN  # a repository of the model hub, a local path, or none
    revision: str | None = None


class TextColumn(NamedTuple):
    """A column of the words index."""

    name: str
    weight: float = 1.0  # of a word in it, in the ranking by words
    substrings: bool = False  # parts of its words are found, too, and spaces do not matter


class Item(NamedTuple):
    """The input of a model for one photo. Fields that the stage does not list in `inputs` may be missing."""

    pixels: Pixels | None = None
    results: Mapping[str, Any] = {}  # stage -> payload, for stages with a result
    note: str | None = None
    names: str = ""  # words from the names of the file and its folders
    path: bytes = b""  # absolute
    position: tuple[float, float] | None = None  # latitude and longitude in degrees, north and east positive


class Result(NamedTuple):
    """The output of a model for one photo."""

    payload: Any
    vectors: Mapping[str, NDArray[np.float32]] = {}  # view -> (dimension,), unit norm


class StageModel:
    """A loaded model. Only one thread at a time calls it."""

    identity: ModelIdentity
    dimension = 0  # of its vectors; 0: it computes none

    def run(self, items: Sequence[Item]) -> Sequence[Result | PhotoError]:
        """Return one result per item, in order. The results must not depend on how items are batched.

        A PhotoError as a result is a failure of that photo. If an exception is raised, the items are tried one by one;
        if memory runs out, the batch is halved.
        """
        raise NotImplementedError

    def encode_query(self, texts: Sequence[str], results: Sequence[Mapping[str, Any]]) -> Vectors:
        """Return the vectors of search texts: (texts, dimension), unit norm; zeros for a text that cannot be encoded.

        `results` contains, for each text, the payloads of the stages in `Stage.query_inputs`.
        """
        raise NotImplementedError

    def close(self) -> None:
        """Release the memory, including that of the GPU. The object is not used afterwards."""


class Stage:
    """A stage. Subclasses define all attributes and methods without a default; see `docs/stages.md`."""

    name: str  # also its table in config.toml, and its name in the store
    inputs: tuple[str, ...]  # from SOURCES, and names of other stages
    requires: tuple[str, ...] | None = None  # stages of `inputs` that it waits for; None: all of them
    tier: int = 3  # cost: 0 file facts, 1 image embedding, 2 detection and text in the picture, 3 the rest
    settings: type[StageSettings] = StageSettings
    ranges: Mapping[str, tuple[float, float]] = {}  # setting -> (minimum, maximum)
    demo: str = ""  # name of its tiny weights in `imgret/demo/models`
    version: str = ""  # of its code, for a stage without weights: when it changes, results are recomputed
    # the decoder reads its results from the file: it has no model, and `load` is not called
    from_decoder = False
    payload: Any = Any  # the type of its payloads, as msgspec decodes it from JSON
    noun: str  # the plural noun for its results: "captions"
    lack: str = ""  # what photos lack without it, as a clause; "" means "no NOUN"

    columns: tuple[TextColumn, ...] = ()  # its columns of the words index
    kinds: tuple[str, ...] = ()  # of its tags
    views: tuple[str, ...] = ()  # of its vectors; the first one is used to find nearest neighbours
    # in the ranking: of one standard deviation of its cosines, relative to the text vectors
    vector_weight: float = 1.0
    batch: float = 1.0  # its batch size as a multiple of that of models that read pixels
    turn: int | None = None  # photos per call, between which a search can use the model; None: a whole batch

    # The model

    def tables(self, settings: Any) -> tuple[Any, ...]:
        """Return settings for each model that it uses, beginning with `settings`: several, if it joins their results.

        `locate` must return weights that are missing, if those of one of them are.
        """
        return (settings,)

    def resolved(self, settings: Any, places: Places, device: str) -> Any:
        """Return the settings with the weights that a name such as `auto` stands for on this machine. Loads nothing."""
        return settings

    def locate(self, settings: Any, places: Places) -> Weights:
        """Return the name, the path and the presence of the weights. Loads nothing."""
        from imgret.weights import sources

        if settings.weights == BUILT_IN:
            return sources.built_in(self.name, self.version)
        return sources.locate(self.name, settings.weights, settings.revision, places)

    def shape(self, settings: Any) -> str:
        """Return the settings that affect results, as text. When it changes, results are recomputed."""
        keys = [key for key in settings.__struct_fields__ if key not in ("weights", "revision")]
        return " ".join(f"{key}={getattr(settings, key)}" for key in keys)

    def packages(self, settings: Any, path: str | None) -> Mapping[str, str]:
        """Return what `load` imports and may not be installed: module -> requirement for pip.

        `path` is that of the weights; None while they are not on the disk.
        """
        return {}

    def identity(self, settings: Any, places: Places) -> ModelIdentity | None:
        """Return the identity of the model of these settings; None if its weights are missing. Loads nothing."""
        weights = self.locate(settings, places)
        if not weights.present or weights.revision is None:
            return None
        return ModelIdentity(weights.public_name, weights.revision, self.shape(settings))

    def checked(self, settings: Any, places: Places) -> tuple[str, ModelIdentity]:
        """Verify the weights; return their path and the identity of the model. For use in `load`.

        Raises WeightsError if they are missing or differ from the record of their download.
        """
        from imgret.weights import sources

        weights = self.locate(settings, places)
        path = sources.checked(weights, places)
        return path, ModelIdentity(weights.public_name, weights.revision or "", self.shape(settings))

    def stand_in(self, settings: Any) -> Any:
        """Return settings to use while the weights of `settings` are missing; None: the stage waits for them."""
        return None

    def settings_of(self, identity: ModelIdentity, settings: Any, places: Places) -> Any:
        """Return settings that load the model `identity`, as far as it is known.

        Needed after a change of models: the old vectors are searched until the new ones are complete.
        """
        from imgret.weights import sources

        name, revision = sources.named(identity, places)
        return replace(settings, weights=name, revision=revision)

    def load(self, settings: Any, places: Places, device: str) -> StageModel:
        """Load the model. `device` is "auto" or a name such as "cuda:1". Import libraries here.

        Raises WeightsError, with a message and advice, if it cannot be loaded.
        """
        raise NotImplementedError

    def load_for_queries(self, settings: Any, places: Places, device: str) -> StageModel:
        """Load the model for `encode_query` alone; see `load`. A stage overrides it if that takes other weights.

        Then searches and describing each load a model, which work at the same time.
        """
        return self.load(settings, places, device)

    # Data for the search

    def texts(self, payload: Any) -> Mapping[str, str]:
        """Return column -> text for the words index."""
        return {}

    def tags(self, payload: Any) -> Sequence[Tag]:
        """Return the tags, each (kind, label) once."""
        return ()

    def query_inputs(self, identity: ModelIdentity | None) -> tuple[str, ...]:
        """Return the stages to run on search texts before `encode_query` of the model `identity` (None: any model)."""
        return ()

    # Display

    def json(self, payload: Any | None) -> dict[str, Any]:
        """Return the keys that it adds to the JSON of a photo. `payload` is None if there is no result."""
        return {self.name: payload}

    def rows(self, shown: Mapping[str, Any]) -> Sequence[tuple[str, str]]:
        """Return (label, text) rows for `imgret show` and the picker, from the JSON of a photo."""
        return ()

    def why(self, shown: Mapping[str, Any], word: str, matching: LabelMatcher) -> Sequence[str]:
        """Return texts for the *why* of a hit, for a word of the query that matched; if empty, the word itself is shown.

        `matching(word, labels)` returns the labels that a word matches: "dogs" matches "dog".
        """
        return ()

    def why_contained(self, shown: Mapping[str, Any], part: str) -> Sequence[str]:
        """Return texts for the *why* of a hit, for a part of its text in the image that a filter `text:` found."""
        return ()

    def outlines(self, shown: Mapping[str, Any], reasons: Collection[str]) -> Sequence[Corners]:
        """Return where in the image the things stand that `reasons` name; they are what `why` returned."""
        return ()

    # Derived

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
        """What photos lack without it, as a clause."""
        return self.lack or f"no {self.noun}"

    @property
    def has_query_model(self) -> bool:
        """Whether `load_for_queries` loads other weights than `load`."""
        return type(self).load_for_queries is not Stage.load_for_queries

    def decode(self, payload: str | bytes) -> Any:
        """Decode a payload from JSON."""
        return _decoder(self.payload).decode(payload)


_preparing = threading.Lock()


@cache
def _decoder(payload: Any) -> msgspec.json.Decoder[Any]:
    """Return the decoder of a type of payloads. One thread at a time: see `imgret.decode.decoder_handle`."""
    with _preparing:
        return msgspec.json.Decoder(payload)
