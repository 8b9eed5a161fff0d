"""From a search request to finished output lines, shared by `imgret query` and the daemon.

The `SearchService` keeps the index open and the embedder warm. A search does not fail when weights are missing:
without an embedder that fits the index it is searched by words, and a note reports it.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, Protocol

import msgspec

from imgret import inputs
from imgret.config import Places, Settings
from imgret.errors import Exit, PhotoError, QueryError, UsageError, WeightsError
from imgret.photo import Hit, ModelIdentity
from imgret.search.checked_encoder import CheckedEncoder
from imgret.search.coverage import coverage_note
from imgret.search.request import MOST_HITS, SearchRequest, check
from imgret.stages import registry
from imgret.stages.metadata import NAME as METADATA
from imgret.stages.place import STAGE as PLACE
from imgret.store.interface import Store
from imgret.store.records import IMAGE, TEXT, Space

if TYPE_CHECKING:
    from imgret.pipeline.models import Models
    from imgret.search.parse import ParsedQuery
    from imgret.search.rank import SearchResult
    from imgret.search.similar import Likeness
    from imgret.search.space_queries import SpaceEncoder
    from imgret.search.warm_index import WarmIndexLoader
    from imgret.stages.interface import Stage
    from imgret.weights.sources import Weights


class SearchOutput(NamedTuple):
    """What a command prints and how it ends."""

    output: bytes
    notes: list[str]  # sentences for stderr
    exit: Exit


class Encoders(Protocol):
    """Where a `SearchService` gets what encodes its texts, and what describes a picture for it."""

    def encoder(self, stage: str, wanted: ModelIdentity) -> SpaceEncoder:
        """Return the encoder of texts of the model `wanted` of a stage. Raises WeightsError, with the reason, if it cannot be loaded."""
        ...

    def for_query_image(self, stages: Collection[str]) -> Models:
        """Return the models of these stages, for a photo that is not in the index."""
        ...


class LocalEncoders:
    """Loads models when they are first needed, and keeps them."""

    def __init__(self, settings: Settings, places: Places) -> None:
        self._settings = settings
        self._places = places
        self._encoders: dict[str, SpaceEncoder] = {}
        self._image_models: Models | None = None

    def for_query_image(self, stages: Collection[str]) -> Models:
        """See `Encoders`."""
        if self._image_models is None:
            from imgret.pipeline.loading import load_models

            self._image_models = load_models(self._settings, self._places, stages)
        return self._image_models

    def encoder(self, stage: str, wanted: ModelIdentity) -> SpaceEncoder:
        """See `Encoders`."""
        held = self._encoders.pop(stage, None)
        if held is None or held.identity != wanted:
            held = None  # its memory is released before the next one is loaded
            held = self._loaded(stage, wanted)
        self._encoders[stage] = held
        return held

    def _loaded(self, name: str, wanted: ModelIdentity) -> SpaceEncoder:
        from imgret.pipeline.loading import load_model_of, load_models
        from imgret.search.query_encoder import QueryEncoder

        stage = registry.find(name)
        if stage is None:
            raise WeightsError(f"the stage {name}, which made the vectors, is not installed")
        model = load_model_of(stage, wanted, self._settings, self._places)
        needed = [each for each in stage.query_inputs(wanted) if self._settings.wants(each)]
        inputs = load_models(self._settings, self._places, needed).loaded if needed else {}
        return QueryEncoder(model, inputs)


class SearchService:
    """Searches one index. Belongs to the thread that created it."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        places: Places,
        encoders: Encoders | None = None,
        keeper: WarmIndexLoader | None = None,
    ) -> None:
        """Load nothing: the first query that needs the embedder loads it.

        `encoders` and `keeper`, which has the vectors in memory, may be shared by several.
        """
        self._store = store
        self._settings = settings
        self._places = places
        self._encoders = encoders or LocalEncoders(settings, places)
        self._keeper = keeper

    def search(self, request: SearchRequest) -> SearchOutput:
        """Search and render. Raises QueryError for a query that cannot be read."""
        if request.format == "count":
            return self._counted(request)
        found = self.find(request)
        output = b"".join(_rendered(hit, request) for hit in found.hits)
        return SearchOutput(output, found.notes, Exit.OK if found.hits else Exit.NO_HITS)

    def _counted(self, request: SearchRequest) -> SearchOutput:
        """Count the hits; none is described. Without words, the contents that pass the filters: no near-duplicates are folded."""
        from imgret.search import empty_reasons

        check(request)
        with self._store.reading():
            query = self._query(request)
        count, notes = 0, list(query.remarks)
        if not (query.words.strip() or query.negatives or request.like or request.all_copies):
            count = len(self._store.filters.matching(query.clauses))
            count = count if request.limit == MOST_HITS else min(count, request.limit)
            notes += empty_reasons.unknown_labels(self._store, query.clauses, self._settings.switched_off())
        if not count:  # the search says why there is nothing
            found = self.find(request, count_only=True)
            count, notes = found.count, found.notes
        return SearchOutput(b"%d\n" % count, notes, Exit.OK if count else Exit.NO_HITS)

    def find(self, request: SearchRequest, *, count_only: bool = False) -> SearchResult:
        """Return the hits themselves, or with `count_only` their number alone. Raises as `search`."""
        from imgret.search import rank
        from imgret.store.codes_file import Unfit

        check(request)
        by_words = request.rank == "words"
        with self._store.reading():
            query = self._query(request)
            coverage = coverage_note(self._store, self._settings.wants, self._weights, by_words=by_words)
            spaces = {space.stage: space for space in self._store.vectors.active_spaces()}
        notes = [coverage] if coverage else []
        has_text = bool(query.texts)  # a picture alone has its vector: no text has to be encoded
        seen = self._likeness(request.like) if request.like is not None else None
        encoder = self._embedder(spaces, notes) if has_text and request.rank in ("hybrid", "vector") else None
        others = self._others(spaces, notes, request.rank) if has_text else {}
        # Ahead, because a model may be busy with photos: no transaction stays open meanwhile.
        for each in (*others.values(), *([encoder] if encoder else [])):
            each.vectors(query.texts)
        # Then, because loading the models may take long enough for the vectors to be loaded.
        needs_vectors = not by_words and (has_text or seen is not None)
        warm = self._keeper.current(self._store, attach=needs_vectors) if self._keeper else None
        search = partial(
            rank.search,
            self._store,
            query,
            encoder,
            rank=request.rank,
            sort=request.sort,
            limit=request.limit,
            all_copies=request.all_copies,
            min_strength=request.min_strength,
            towards=seen.vector if seen else None,
            towards_others=seen.others if seen else {},
            without=seen.content if seen else None,
            copies=seen.copies if seen else (),
            alike=seen.alike if seen else (),
            off=self._settings.switched_off(),
            others=others,
            count_only=count_only,
        )
        try:
            found = search(warm=warm)
        except Unfit:  # the file of the codes was cut short or damaged meanwhile
            if self._keeper is not None:
                self._keeper.detach()
            found = search(warm=None)
        return rank.SearchResult(found.hits, [*notes, *found.notes], found.count)

    def _weights(self, stage: Stage) -> Weights | None:
        """Return what is known of a stage's weights; None if the record of downloads is damaged."""
        from imgret.pipeline.loading import locate

        try:
            return locate(stage, self._settings, self._places)
        except WeightsError:
            return None

    def passing(self, request: SearchRequest) -> int:
        """How many contents pass the filters of a request. Raises QueryError."""
        query = self._query(request)
        return len(self._store.filters.matching(query.clauses))

    def warm(self) -> None:
        """Load the embedder now, so that the first query does not wait for it, and begin with the vectors."""
        if self._keeper is not None:
            self._keeper.current(self._store)
        spaces = {space.stage: space for space in self._store.vectors.active_spaces()}
        self._embedder(spaces, [])
        self._others(spaces, [], "hybrid")

    def _likeness(self, path: str) -> Likeness:
        from imgret.search.similar import likeness

        try:
            return likeness(
                self._store, inputs.path_bytes(path), self._encoders.for_query_image, self._settings
            )
        except PhotoError as error:  # name the option, because the photo is an argument of the user
            if not os.path.lexists(inputs.path_bytes(path)):
                raise UsageError(f"--like {path}: there is no such file") from None
            is_advice = error.hint and not error.hint.startswith("Exclude")  # from the index
            raise UsageError(f"--like: {error}", error.hint if is_advice else "Use another photo.") from None

    def _embedder(self, spaces: Mapping[str, Space], notes: list[str]) -> SpaceEncoder | None:
        """Return the embedder of the active text vectors; None, with a note, if it cannot be loaded."""
        space = spaces.get(TEXT)
        if space is None:
            return None
        try:
            return CheckedEncoder(space, self._encoders.encoder(TEXT, space.identity), notes)
        except WeightsError as error:
            notes.append(f"only words were searched: {error}")
            return None

    def _query(self, request: SearchRequest) -> ParsedQuery:
        """Return the query of the text and the options of a request. Raises QueryError."""
        from imgret.search import parse

        if len(request.filters) > parse.MOST_FILTERS or len(request.negatives) > parse.MOST_TEXTS:
            raise QueryError("too many filters, or texts to push away", "Shorten the query.")
        now, kinds, named = datetime.now(), self._kinds(), self._settings.of(PLACE.name).names
        text = inputs.encodable(request.text)
        query = parse.parse(text, now, self._store.facets.labels(), kinds, named)
        for key, value in request.filters:
            key, value = inputs.encodable(key), inputs.encodable(value)
            query = parse.having(query, key, value, now, kinds, named)
        query = parse.located(query, inputs.path_bytes(request.folder))
        given = [text for text in map(inputs.clean_text, request.negatives) if text.strip()]
        negatives = (*query.negatives, *given)
        return parse.bounded(msgspec.structs.replace(query, negatives=negatives))

    def _kinds(self) -> list[str]:
        """The kinds of tags: those of the library, those of metadata and places, and those of stages that are switched off, so that a note can report it."""
        more = [registry.find(stage) for stage in (METADATA, PLACE.name, *self._settings.switched_off())]
        kinds = [*self._store.facets.kinds(), *(kind for stage in more if stage for kind in stage.kinds)]
        return list(dict.fromkeys(kinds))

    def _others(self, spaces: Mapping[str, Space], notes: list[str], rank: str) -> dict[str, SpaceEncoder]:
        """The encoders of the spaces of other stages that a ranking uses, by stage; a note for each that cannot be used."""
        found: dict[str, SpaceEncoder] = {}
        for space in spaces.values() if rank in ("hybrid", "image") else ():
            if space.stage == TEXT or not space.weight or (rank == "image" and space.stage != IMAGE):
                continue
            try:
                found[space.stage] = CheckedEncoder(
                    space, self._encoders.encoder(space.stage, space.identity), notes
                )
            except WeightsError as error:
                notes.append(f"the vectors of {space.stage} were not searched: {error.advice}")
        return found


def _rendered(hit: Hit, request: SearchRequest) -> bytes:
    if request.format == "json":
        from imgret.search import hit_json

        if request.number is None:
            return hit_json.line(hit) + b"\n"
        query = inputs.clean_text(request.text)
        return hit_json.line(hit, question=query, question_number=request.number) + b"\n"
    return hit.path + (b"\0" if request.format == "null" else b"\n")
