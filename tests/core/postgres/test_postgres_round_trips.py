"""How many round trips to the server a search takes: each costs milliseconds where the server is far away."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from coded_library import add, vectors
from loopback_proxy import LoopbackProxy
from numpy.typing import NDArray
from postgres_server import PostgresServer

from imgret.config import Settings, places
from imgret.photo import ModelIdentity
from imgret.search.request import SearchRequest
from imgret.search.service import SearchService
from imgret.search.warm_index import WarmIndexLoader
from imgret.store.factory import open_store

# Of a search by words and in two spaces, when nobody has committed since the last one.
SEARCH = 18
AFTER_COMMIT = 30


class Encoder:
    """Encodes texts as vectors that the library has."""

    def __init__(self, identity: ModelIdentity) -> None:
        self.identity = identity

    def vectors(self, texts: list[str]) -> NDArray[np.float32]:
        return np.stack([vectors(len(text))[0] for text in texts])


class Encoders:
    def encoder(self, stage: str, wanted: ModelIdentity) -> Encoder:
        return Encoder(wanted)


@pytest.fixture
def served(postgres_server: PostgresServer) -> Iterator[tuple[SearchService, LoopbackProxy, str]]:
    """A search service, as the daemon has it, and the proxy to its server."""
    place = postgres_server.new_library()
    with open_store(place) as library:
        add(library, range(1, 41))
        for content in range(1, 11):
            library.results.write_note(content, "a holiday")
    with LoopbackProxy(postgres_server.folder) as proxy:
        through = proxy.place(place, postgres_server.folder)
        with open_store(through) as store:
            warm = WarmIndexLoader(through)
            service = SearchService(store, Settings(), places(), Encoders(), warm)  # type: ignore[arg-type]
            service.find(SearchRequest(text="holiday 7"))
            warm.wait()
            for text in ("holiday", "holiday 7") * 6:  # psycopg prepares what was executed five times
                service.find(SearchRequest(text=text))
            yield service, proxy, place
    postgres_server.remove_library(place)


def taken(service: SearchService, proxy: LoopbackProxy, request: SearchRequest) -> int:
    before = proxy.round_trips
    assert service.find(request).hits
    return proxy.round_trips - before


def test_a_search_takes_few_round_trips(served: tuple[SearchService, LoopbackProxy, str]) -> None:
    service, proxy, place = served
    assert taken(service, proxy, SearchRequest(text="holiday 11")) <= SEARCH
    assert taken(service, proxy, SearchRequest(text="holiday", rank="words")) < SEARCH
    assert taken(service, proxy, SearchRequest(text="12", rank="image")) < SEARCH
    with open_store(place) as other:
        add(other, [50])
    assert SEARCH < taken(service, proxy, SearchRequest(text="holiday 13")) <= AFTER_COMMIT
    assert taken(service, proxy, SearchRequest(text="holiday 50")) <= SEARCH


def test_a_search_finds_what_was_just_committed(served: tuple[SearchService, LoopbackProxy, str]) -> None:
    service, _, place = served
    with open_store(place) as other:
        for content in range(1, 11):
            other.results.write_note(content, f"unique{content}")
            hits = service.find(SearchRequest(text=f"unique{content}", rank="words")).hits
            assert [hit.content for hit in hits] == [content]
