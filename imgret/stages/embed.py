"""Text vectors of the passage of a photo and of each of its parts, with an instruction made from its topics.

The embedder is INSTRUCTOR; any model of sentence-transformers or model2vec, which have prompts of their own and no
instructions; or `wordllama`, a small embedder whose weights are part of its package.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from imgret.models import embedders
from imgret.photo import ModelIdentity
from imgret.stages import passage
from imgret.stages.interface import NAMES, NOTE, Item, Result, Stage, StageModel, StageSettings
from imgret.weights import WORDLLAMA

if TYPE_CHECKING:
    from imgret.models.model_protocols import Embedder
    from imgret.places import Places
    from imgret.stages.interface import Vectors
    from imgret.weights.sources import Weights


_PROMPTS = "prompts="  # in the identity of a model without instructions
_Prompts = tuple[str | None, str | None]  # of queries, of documents; None: the model's own


class EmbedSettings(StageSettings, frozen=True):
    """`[embed]`: an INSTRUCTOR model, one of sentence-transformers or model2vec, or `wordllama`."""

    weights: str = "hkunlp/instructor-large"
    dtype: str = "auto"  # auto (bfloat16 on a GPU, float32 on a CPU), float32, bfloat16, float16
    query_prompt: str | None = (
        None  # what a model without instructions reads before a query; default: see its files
    )
    document_prompt: str | None = None  # the same before a text of a photo


class EmbedModel(StageModel):
    """Adapts an embedder to the interface of a stage model."""

    def __init__(self, embedder: Embedder) -> None:
        self.embedder = embedder
        self.identity = embedder.identity
        self.dimension = embedder.dimension

    def run(self, items: Sequence[Item]) -> list[Result]:
        """Return a vector for each text of each photo; the payload contains the names of the views."""
        results: list[dict[str, Any]] = [{} for _ in items]
        queued = []
        for at, item in enumerate(items):
            instruction = passage.instruction(item.results.get("topics") or ())
            texts = passage.views(item.results, item.note, item.names)
            queued += [(at, view, (instruction, text)) for view, text in texts.items()]
        rows = self.embedder.embed([pair for _, _, pair in queued])
        for (at, view, _), row in zip(queued, rows, strict=True):
            results[at][view] = row
        return [Result(tuple(sorted(vectors)), vectors) for vectors in results]

    def encode_query(self, texts: Sequence[str], results: Sequence[Mapping[str, Any]]) -> Vectors:
        """Embed the text of a search, with an instruction made from the topics of the text."""
        pairs = [
            (passage.instruction(found.get("topics") or ()), text)
            for text, found in zip(texts, results, strict=True)
        ]
        return self.embedder.embed_queries(pairs)

    def close(self) -> None:
        """Release the memory."""
        self.embedder.close()


class Embed(Stage):
    """The embed stage. Its payload is the names of the views of the photo."""

    name = "embed"
    inputs = ("caption", "detect", "topics", NOTE, NAMES)
    requires = ()  # a photo without a caption is embedded by its note or its name
    tier = 3
    settings = EmbedSettings
    demo = "embed"
    payload = tuple[str, ...]
    noun = "text vectors"
    lack = "the small offline embedder is used instead"
    views = ("passage", "captions", "counts", "note")
    vector_weight = 0.0  # the ranking weighs other spaces relative to this one
    turn = 4  # photos, with up to four texts each

    def locate(self, settings: EmbedSettings, places: Places) -> Weights:
        """Locate the weights, including `wordllama`."""
        from imgret.weights import sources

        if settings.weights == WORDLLAMA:
            return sources.wordllama(self.name, places)
        return super().locate(settings, places)

    def shape(self, settings: EmbedSettings) -> str:
        """Return the dtype; `wordllama` has none."""
        return "" if settings.weights == WORDLLAMA else f"dtype={settings.dtype}"

    def packages(self, settings: EmbedSettings, path: str | None) -> Mapping[str, str]:
        """Return torch and sentence-transformers, unless the embedder is a static one or is not known yet."""
        if settings.weights == WORDLLAMA or path is None or embedders.kind(path, "") is embedders.Kind.STATIC:
            return {}
        return dict.fromkeys(("torch", "sentence_transformers"), "imgret[embed]")

    def identity(self, settings: EmbedSettings, places: Places) -> ModelIdentity | None:
        """Return the identity; it names the prompts of a model that has them instead of instructions."""
        made = super().identity(settings, places)
        path = self.locate(settings, places).path
        if made is None or path is None or settings.weights == WORDLLAMA:
            return made
        return _with_prompts(made, settings, embedders.kind(path, made.name))

    def stand_in(self, settings: EmbedSettings) -> EmbedSettings | None:
        """Return `wordllama`, with which photos can be searched before any weights are downloaded."""
        return None if settings.weights == WORDLLAMA else EmbedSettings(weights=WORDLLAMA)

    def settings_of(self, identity: ModelIdentity, settings: EmbedSettings, places: Places) -> EmbedSettings:
        """Return settings for a model by name and revision, or for a local folder that was used before."""
        if identity.name == WORDLLAMA:
            return EmbedSettings(weights=WORDLLAMA)
        found: EmbedSettings = super().settings_of(identity, settings, places)
        dtype, _, prompts = identity.settings.partition(_PROMPTS)
        query, document = msgspec.json.decode(prompts, type=_Prompts) if prompts else (None, None)
        dtype = dtype.strip().removeprefix("dtype=") or settings.dtype
        return replace(found, dtype=dtype, query_prompt=query, document_prompt=document)

    def query_inputs(self, identity: ModelIdentity | None) -> tuple[str, ...]:
        """Return `topics` for a model with instructions, and none for others."""
        without = identity is not None and (identity.name == WORDLLAMA or _PROMPTS in identity.settings)
        return () if without else ("topics",)

    def load(self, settings: EmbedSettings, places: Places, device: str) -> EmbedModel:
        """Load the embedder. torch is not imported for `wordllama` and other static ones."""
        path, identity = self.checked(settings, places)
        if settings.weights == WORDLLAMA:
            from imgret.models.wordllama import WordLlamaEmbedder

            return EmbedModel(WordLlamaEmbedder(path, identity))
        kind = embedders.kind(path, identity.name)
        loaded = embedders.load(
            kind,
            path,
            _with_prompts(identity, settings, kind),
            places,
            device,
            query_prompt=settings.query_prompt,
            document_prompt=settings.document_prompt,
            dtype=settings.dtype,
        )
        return EmbedModel(loaded)

    def json(self, payload: tuple[str, ...] | None) -> dict[str, Any]:
        """Return nothing: vectors are not readable."""
        return {}


def _with_prompts(identity: ModelIdentity, settings: EmbedSettings, kind: embedders.Kind) -> ModelIdentity:
    """Return the identity of a model of this kind. That of INSTRUCTOR is the dtype; a static one has no dtype."""
    if kind is embedders.Kind.INSTRUCTOR:
        return identity
    prompts = msgspec.json.encode((settings.query_prompt, settings.document_prompt)).decode()
    dtype = "" if kind is embedders.Kind.STATIC else f"{identity.settings} "
    return ModelIdentity(identity.name, identity.revision, f"{dtype}{_PROMPTS}{prompts}")


STAGE = Embed()
